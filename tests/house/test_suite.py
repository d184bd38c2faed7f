"""The suite's own promises: warnings of ours are errors, and there is no way out."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
import warnings

import pytest


def test_a_warning_raised_in_trifacet_is_an_error() -> None:
    with pytest.raises(UserWarning, match="of ours"):
        warnings.warn_explicit("of ours", UserWarning, "manifest.py", 1, module="trifacet.core.manifest")


def test_a_warning_raised_elsewhere_is_only_shown() -> None:
    with pytest.warns(DeprecationWarning, match="of others"):
        warnings.warn_explicit("of others", DeprecationWarning, "x.py", 1, module="numpy.something")


def test_there_is_no_way_out() -> None:
    with pytest.raises(RuntimeError, match="tests have no network"):
        urllib.request.urlopen("http://192.0.2.1/", timeout=1)  # an address kept for documentation
    with pytest.raises(RuntimeError, match="tests have no network"):
        socket.getaddrinfo("example.org", 80)


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
