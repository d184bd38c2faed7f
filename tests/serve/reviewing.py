"""Drawn people to review, and the real server of the review page as a process that may be killed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.house.sources import ROOT
from trifacet.core.findings import Finding, Findings, findings_table, write_findings
from trifacet.core.manifest import Manifest, read_manifest, write_manifest
from trifacet.data.drawn.person import draw_person
from trifacet.data.drawn.scene import PHOTO_NAMES, draw_photo
from trifacet.data.drawn.write import person_folder
from trifacet.data.ingest import ingest

SIZE_PX = (120, 160)
N_OF_PERSON = len(PHOTO_NAMES)  # seven


@dataclass(frozen=True)
class Place:
    """Where what is reviewed lies."""

    manifest_path: Path
    findings_path: Path
    store_path: Path

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.manifest_path)


def place_with_photos(folder: Path, *, n_people: int, size_px: tuple[int, int] = SIZE_PX) -> Place:
    """Drawn people in the original layout, ingested, with findings as an audit would make them."""
    for i in range(n_people):
        person = draw_person(0, i)
        home = folder / "photos" / person_folder(person)
        home.mkdir(parents=True)
        for name in PHOTO_NAMES:
            Image.fromarray(draw_photo(person, name, size_px=size_px)).save(home / f"{name}.jpg", quality=90)
    manifest = ingest([folder / "photos"]).manifest
    place = Place(folder / "manifest.parquet", folder / "findings.parquet", folder / "rulings.db")
    write_manifest(place.manifest_path, manifest)
    found = []
    for row in range(0, len(manifest), N_OF_PERSON):
        given = manifest.table["gender"][row]
        other = "female" if given == "male" else "male"
        detail = f"7 photos of a person labelled {given}; the model says {other} (0.93)"
        photo, one, two = (manifest.photo_ids[row + k] for k in (1, 2, 3))
        swapped = "164 times as likely with each other's mask"
        found += [
            Finding(
                photo, "label", 0.05 + row / 1e4, attribute="gender", detail=detail, proposed=other, confidence=0.93
            ),
            Finding(one, "swap", 0.2, attribute="mask", other_id=two, detail=swapped, proposed="worn"),
        ]
    write_findings(place.findings_path, Findings(findings_table(found), manifest.schema))
    return place


class Server:
    """`trifacet review` as a process, at a free port or this one. with_findings: photos with findings come first.

    program: what is run in the place of `python -m trifacet`.
    """

    def __init__(
        self,
        place: Place,
        *words: str,
        with_findings: bool = False,
        port: int = 0,
        program: tuple[str, ...] = (sys.executable, "-m", "trifacet"),
    ) -> None:
        told = ["review", place.manifest_path, "--decisions", place.store_path, "--port", port, *words]
        told += ["--findings", place.findings_path] if with_findings else []
        self.process = subprocess.Popen(
            [*program, *map(str, told)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.url = self._told()

    def _told(self) -> str:
        """The address that the command prints."""
        assert self.process.stdout is not None
        told = ""
        for line in self.process.stdout:
            told += line
            if found := re.search(r"http://\S+", line):
                return found[0]
        raise AssertionError(f"the server ended: {told}")

    @property
    def port(self) -> int:
        return int(re.findall(r":(\d+)/", self.url)[0])

    def kill(self) -> None:
        """Ends it as a power cut would: nothing of it runs on."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
