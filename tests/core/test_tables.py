from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from trifacet.core.errors import ConfigError, ManifestError
from trifacet.core.files import sha256_bytes
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.core.tables import Provenance, TableKind, check_place, input_hashes, read_table, write_table

AGAIN = "Pass the right file; update trifacet when the format is newer."
ONE = TableKind(name="pets", format=1, columns={"name": pl.String(), "age": pl.Int64()}, migrations={})
THREE = TableKind(  # 2 called the age `age_years`, 3 made it a number with decimals
    name="pets",
    format=3,
    columns={"name": pl.String(), "age_years": pl.Float64()},
    migrations={
        1: lambda table: table.rename({"age": "age_years"}),
        2: lambda table: table.cast({"age_years": pl.Float64()}),
    },
)
PETS = pl.DataFrame({"name": ["Rex", "Tom"], "age": [3, 4]})


def write(path: Path, table: pl.DataFrame = PETS, **changes) -> Provenance:
    made = Provenance(
        kind="pets",
        format=1,
        stage="here",
        label_schema=DEFAULT_SCHEMA,
        inputs={"a": "b"},
        stamps=("c",),
        extra={"d": 1},
    ).model_copy(update=changes)
    write_table(path, table, provenance=made)
    return made


def refusal(path: Path, kind: TableKind = ONE) -> str:
    with pytest.raises(ManifestError) as caught:
        read_table(path, kind)
    return str(caught.value)


def test_a_table_comes_back_with_where_it_comes_from(tmp_path: Path) -> None:
    made = write(tmp_path / "t.parquet")
    table, found = read_table(tmp_path / "t.parquet", ONE)
    assert table.equals(PETS)
    assert found == made
    assert found.trifacet.count(".") == 2


def test_older_formats_open_through_numbered_migrations(tmp_path: Path) -> None:
    write(tmp_path / "one.parquet")
    write(tmp_path / "two.parquet", PETS.rename({"age": "age_years"}), format=2)
    for name in ("one", "two"):
        table, found = read_table(tmp_path / f"{name}.parquet", THREE)
        assert table.equals(pl.DataFrame({"name": ["Rex", "Tom"], "age_years": [3.0, 4.0]}))
        assert (found.format, found.stamps, found.stage) == (3, ("c",), "here")


def test_a_newer_format_is_refused_whatever_its_metadata_hold(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write(path, format=4)
    assert refusal(path, THREE) == f"TRI202 {path}: pets format 4 is newer than this trifacet. {AGAIN}"
    PETS.write_parquet(path, metadata={"trifacet": json.dumps({"kind": "pets", "format": 2, "new": True})})
    assert refusal(path) == f"TRI202 {path}: pets format 2 is newer than this trifacet. {AGAIN}"


def test_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write(path, kind="plants")
    assert refusal(path) == f"TRI202 {path}: expected a pets file, got a plants file. {AGAIN}"


def test_a_table_that_is_not_there_or_not_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    assert refusal(path) == f"TRI202 {path}: no pets file here. Check the path."
    assert refusal(tmp_path) == f"TRI202 {tmp_path}: a folder, not a pets file. Pass the file itself."
    PETS.write_parquet(path)
    assert refusal(path) == f"TRI202 {path}: not a pets file, got a file without trifacet's metadata. {AGAIN}"
    PETS.write_parquet(path, metadata={"trifacet": json.dumps({"kind": "pets", "format": 1, "strange": 1})})
    assert refusal(path) == f"TRI202 {path}: not a pets file, got 3 validation errors for Provenance. {AGAIN}"


def test_damage_is_refused_wherever_the_file_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write(path)
    whole = path.read_bytes()
    for length in (0, 3, 4, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert refusal(path).startswith(f"TRI202 {path}: not a pets file, got "), length
    path.write_text("name,age\nRex,3\n")
    assert refusal(path) == f"TRI202 {path}: not a pets file, got a file that is not Parquet. {AGAIN}"


def test_columns_are_checked_by_name_and_type(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write(path, PETS.drop("age"))
    assert refusal(path) == f"TRI202 {path}: pets lacks columns, got age. {AGAIN}"
    write(path, PETS.cast({"age": pl.String()}))
    assert refusal(path) == f"TRI202 {path}: pets has columns of another type, got age is String, not Int64. {AGAIN}"


def test_a_table_replaces_its_own_kind_alone(tmp_path: Path) -> None:
    path, own = tmp_path / "t.parquet", tmp_path / "own.parquet"
    check_place(path, ".parquet", kind="pets")  # nothing is there
    write(path)
    check_place(path, ".parquet", kind="pets", inputs=[own, 3])
    with pytest.raises(ConfigError, match=r"TRI104 --out: manifest would replace another thing, got pets: "):
        check_place(path, ".parquet", kind="manifest")
    with pytest.raises(ConfigError, match=r"TRI104 --out: the output is the input"):
        check_place(path, ".parquet", kind="pets", inputs=[path])
    PETS.write_parquet(own)
    with pytest.raises(ConfigError, match=r"got a file that is none of trifacet's: "):
        check_place(own, ".parquet", kind="pets")
    mine = tmp_path / "mine.csv"
    mine.write_text("photo_id,ans\n")
    check_place(mine, ".csv", kind="predictions")
    with pytest.raises(ConfigError, match=r"TRI104 --out: rejects would replace another thing, got predictions: "):
        check_place(mine, ".csv", kind="rejects")
    mine.write_text("ImageID,mask\n")
    with pytest.raises(ConfigError, match=r"got a file that is none of trifacet's: "):
        check_place(mine, ".csv", kind="predictions")
    with pytest.raises(ConfigError, match=r"TRI104 --out: a manifest must end in \.parquet"):
        check_place(tmp_path / "m.csv", ".parquet", kind="manifest")


def test_inputs_are_named_by_their_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    assert input_hashes(csv=tmp_path / "a") == {"csv": sha256_bytes(b"a")}
