"""Objects in pictures: COCO's files, rows with boxes, Pascal VOC and YOLO folders."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from automl import tasks
from automl.data.load import LoadedData, load_data
from automl.errors import DataError
from tests.data.samples import recipe_in

WIDTH, HEIGHT = 40, 20
TRAIN = 12


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def picture(path: Path, number: int = 0, turned: bool = False) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    stream = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (number * 9 % 256, number, 50)).save(stream, "PNG", exif=exif)
    path.write_bytes(stream.getvalue())


def coco(images: dict[int, str], boxes: list[tuple[int, int, list[Any]]], **more: Any) -> str:
    """A document with a category 1 (cat) and 7 (dog); boxes are image, category, bbox."""
    return json.dumps(
        {
            "images": [
                {"id": id, "file_name": name, "width": WIDTH, "height": HEIGHT}
                for id, name in images.items()
            ],
            "annotations": [
                {"id": number, "image_id": image, "category_id": kind, "bbox": box, "iscrowd": 0}
                for number, (image, kind, box) in enumerate(boxes)
            ],
            "categories": [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}],
            **more,
        }
    )


def load(folder: Path, **data: Any) -> LoadedData:
    sources = dict.fromkeys(("train", "validation", "test"), "set") | data
    return load_data(recipe_in(folder, **sources), tasks.get("object-detection"))


def said(folder: Path, **data: Any) -> str:
    with pytest.raises(DataError) as found:
        load(folder, **data)
    return str(found.value)


def objects(loaded: LoadedData, split: str = "train") -> dict[str, list[tuple[str, list[float]]]]:
    table = loaded.tables[split].to_pydict()
    return {
        Path(path).name: [(each["label"], each["box"]) for each in json.loads(value)]
        for path, value in zip(table["image"], table["objects"], strict=True)
    }


def splits(write: Any) -> None:
    """Call ``write`` with split, first number and count."""
    for split, first, count in (("train", 0, TRAIN), ("valid", 20, 3), ("test", 30, 3)):
        write(split, first, count)


def of_coco(root: Path, at: str, where: str) -> None:
    """Write three splits: documents at ``at``, pictures in ``where``, for the split's name."""

    def write(split: str, first: int, count: int) -> None:
        names = {number: f"{number}.png" for number in range(first, first + count)}
        for number, name in names.items():
            picture(root / where.format(split) / name, number)
        boxes = [(number, 7 - 6 * (number % 2), [1, 2, 3, 4]) for number in names if number % 3]
        file = root / at.format(split)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(coco(names, boxes))

    splits(write)


@pytest.mark.parametrize(
    ("at", "where"),
    [
        ("{}/_annotations.coco.json", "{}"),
        ("{}/annotations.json", "{}/images"),
        ("annotations/instances_{}2017.json", "{}2017"),
        ("annotations/{}.json", "images/{}"),
        ("annotations/{}.json", "images"),
    ],
)
def test_coco_documents_find_their_pictures(tmp_path, at, where):
    of_coco(tmp_path / "set", at, where)
    loaded = load(tmp_path)
    assert loaded.plan.rows == {"train": TRAIN, "validation": 3, "test": 3}
    assert loaded.plan.labels == ("cat", "dog")
    found = objects(loaded)
    assert found["1.png"] == [("cat", [1.0, 2.0, 4.0, 6.0])]
    assert found["2.png"] == [("dog", [1.0, 2.0, 4.0, 6.0])]
    assert found["3.png"] == []
    assert "train: 4 of 12 pictures show no object" in loaded.plan.warnings
    assert loaded.plan.profile.class_counts["train"] == {"cat": 4, "dog": 4}


def test_a_coco_document_may_be_named_itself(tmp_path):
    of_coco(tmp_path / "set", "annotations/instances_{}2017.json", "{}2017")
    words = {"train": "train", "validation": "valid", "test": "test"}
    names = {s: f"set/annotations/instances_{word}2017.json" for s, word in words.items()}
    assert load(tmp_path, **names).plan.rows["test"] == 3


@pytest.mark.parametrize(
    ("boxes", "more", "expected"),
    [
        ([(0, 3, [1, 1, 2, 2])], {}, "entry 1 of annotations (id 0): category_id is 3, and"),
        ([(99, 1, [1, 1, 2, 2])], {}, "image_id is 99, and no entry of images has that id"),
        ([(0, 1, [1, 1, 0, 2])], {}, "train.json:1: object 1 of 0.png: its box has no area"),
        ([(0, 1, [1, 1, float("nan"), 2])], {}, "object 1 of 0.png: its box is no four numbers"),
        ([(0, 1, [1, 1, 2])], {}, "object 1 of 0.png: its box is no four numbers"),
        ([(1, 1, [50, 1, 2, 2])], {}, "1 of 1.png: its box from [50, 1, 52, 3] lies outside"),
        ([(1, 1, [0.1, 0.2, 0.3, 0.4])], {}, "is written in shares of the picture, not in pixels"),
        ([], {"annotations": None}, "has images and categories, and no annotations"),
        ([], {"categories": [{"id": 1}]}, "entry 1 of categories has no name"),
        ([], {}, "no train row holds any class"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_coco_document_is_named(tmp_path, boxes, more, expected):
    root = tmp_path / "set"
    of_coco(root, "{}.json", "images")
    (root / "train.json").write_text(
        coco({number: f"{number}.png" for number in range(TRAIN)}, boxes, **more)
    )
    assert expected in said(tmp_path)


def test_a_document_of_another_size_is_refused_with_the_reason(tmp_path):
    of_coco(tmp_path / "set", "{}.json", "images")
    picture(tmp_path / "set" / "images" / "4.png", 4, turned=True)
    found = said(tmp_path)
    assert "the objects of 4.png are of a picture of 40 x 20 pixels, it has 20 x 40" in found
    assert "turned by its EXIF" in found


def test_boxes_are_clipped_and_crowds_left_out_and_both_are_said(tmp_path):
    root = tmp_path / "set"
    of_coco(root, "{}.json", "images")
    names = {number: f"{number}.png" for number in range(TRAIN)}
    document = json.loads(coco(names, [(n, 1, [1, 1, 9, 9]) for n in names]))
    document["annotations"][0]["bbox"] = [-5, 5, 20, 20]
    document["annotations"][1]["bbox"] = [35, 15, 5.5, 5]
    document["annotations"][2] |= {"iscrowd": 1, "bbox": [0, 0, 0, 0]}
    (root / "train.json").write_text(json.dumps(document))
    for split in ("valid", "test"):
        text = (root / f"{split}.json").read_text()
        (root / f"{split}.json").write_text(text.replace("dog", "cat"))
    loaded = load(tmp_path)
    found = objects(loaded)
    assert found["0.png"] == [("cat", [0.0, 5.0, 15.0, 20.0])]
    assert found["1.png"] == [("cat", [35.0, 15.0, 40.0, 20.0])]
    assert found["2.png"] == []
    assert "train: 1 of 11 boxes leave their picture and are clipped: 0.png" in loaded.plan.warnings
    assert any("1 crowds (iscrowd) are left out" in each for each in loaded.plan.warnings)


def test_a_class_that_train_has_not_is_named_with_its_row(tmp_path):
    root = tmp_path / "set"
    of_coco(root, "{}.json", "images")
    text = (root / "test.json").read_text().replace("dog", "fox")
    (root / "test.json").write_text(text)
    assert "test has classes that train has not: 'fox', in 1 rows: set/test.json:3" in said(
        tmp_path
    )


def rows_in(root: Path, made: Any) -> None:
    """Write picture folders with a metadata.jsonl each; ``made`` gives objects by number."""

    def write(split: str, first: int, count: int) -> None:
        lines = []
        for number in range(first, first + count):
            picture(root / split / f"{number}.png", number)
            lines.append(json.dumps({"file_name": f"{number}.png", "objects": made(number)}))
        (root / split / "metadata.jsonl").write_text("\n".join(lines))

    splits(write)


@pytest.mark.parametrize(
    "made",
    [
        lambda number: {"bbox": [[1, 2, 3, 4]], "categories": [number % 2]},
        lambda number: {"bbox": [[1.0, 2, 3, 4]], "category": [str(number % 2)], "area": [12]},
        lambda number: [{"bbox": [1, 2, 3, 4], "label": str(number % 2)}],
        lambda number: [{"box": [1, 2, 4, 6], "category": number % 2}],
        lambda number: [
            {"box": {"xmin": 1, "ymin": 2, "xmax": 4, "ymax": 6}, "name": number % 2, "score": 1}
        ],
    ],
)
def test_rows_with_boxes_are_read_in_every_usual_form(tmp_path, made):
    rows_in(tmp_path / "set", made)
    loaded = load(tmp_path)
    assert loaded.plan.labels == ("0", "1")
    assert objects(loaded)["3.png"] == [("1", [1.0, 2.0, 4.0, 6.0])]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ([{"box": [9, 2, 4, 6], "label": "0"}], "its box ends before it begins: [9, 2, 4, 6]"),
        ([{"box": [1, 2, 4, 6]}], "object 1 of 5.png has no label"),
        ([{"box": [1, 2, 4, 6], "label": " "}], "object 1 of 5.png has no label"),
        ([{"label": "0"}], "an object has no box: it has label"),
        ("nothing", "objects are neither a list nor an object: "),
    ],
)
def test_what_is_wrong_with_a_row_is_named_by_file_and_object(tmp_path, wrong, expected):
    rows_in(
        tmp_path / "set",
        lambda number: json.dumps(
            wrong if number == 5 else [{"box": [1, 2, 4, 6], "label": str(number % 2)}]
        ),
    )
    found = said(tmp_path)
    assert expected in found
    assert "set/train/metadata.jsonl:6" in found


def test_lists_of_unlike_length_are_refused(tmp_path):
    rows_in(tmp_path / "set", lambda n: {"bbox": [[1, 2, 3, 4]], "category": [0, 1][: n % 3]})
    assert "objects have 1 bbox and 0 category" in said(tmp_path)


def test_names_that_a_parquet_file_declares_within_objects_are_taken(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    described = {"info": {"features": {"objects": {
        "bbox": {"feature": {"_type": "Value"}, "_type": "Sequence"},
        "category": {"feature": {"names": ["cat", "dog"], "_type": "ClassLabel"},
                     "_type": "Sequence"},
    }}}}  # fmt: skip
    for split, first, count in (("train", 0, TRAIN), ("validation", 20, 3), ("test", 30, 3)):
        rows = []
        for number in range(first, first + count):
            file = tmp_path / "pictures" / f"{number}.png"
            picture(file, number)
            inside = {"bytes": file.read_bytes(), "path": file.name}
            boxes = {"bbox": [[1.0, 2.0, 3.0, 4.0]], "category": [number % 2]}
            rows.append({"image": inside, "objects": boxes})
        table = pa.Table.from_pylist(rows)
        table = table.replace_schema_metadata({"huggingface": json.dumps(described)})
        (tmp_path / "set").mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / "set" / f"{split}.parquet")
    loaded = load(tmp_path)
    assert loaded.plan.labels == ("cat", "dog")


def voc(label: str = "cat", box: tuple[Any, ...] = (2, 3, 4, 6), size: int = WIDTH) -> str:
    corners = "".join(
        f"<{corner}>{value}</{corner}>"
        for corner, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return (
        f"<annotation><size><width>{size}</width><height>{HEIGHT}</height></size>"
        f"<object><name>{label}</name><bndbox>{corners}</bndbox></object></annotation>"
    )


def of_voc(root: Path, lists: bool = True) -> None:
    def write(split: str, first: int, count: int) -> None:
        for number in range(first, first + count):
            picture(root / "JPEGImages" / f"{number}.png", number)
            file = root / "Annotations" / f"{number}.xml"
            file.parent.mkdir(exist_ok=True)
            file.write_text(voc("dog" if number % 2 else "cat"))
        if lists:
            file = root / "ImageSets" / "Main" / f"{split.removesuffix('id')}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f"{number}\n" for number in range(first, first + count)))

    splits(write)


def test_pascal_voc_is_read_and_its_lists_decide_the_split(tmp_path):
    of_voc(tmp_path / "set")
    loaded = load(tmp_path)
    assert loaded.plan.rows == {"train": TRAIN, "validation": 3, "test": 3}
    assert objects(loaded, "test")["31.png"] == [("dog", [1.0, 2.0, 4.0, 6.0])]
    (tmp_path / "set" / "ImageSets" / "Main" / "test.txt").unlink()
    assert "has no list for test in ImageSets/Main; it has some for train, validation" in said(
        tmp_path
    )


def test_without_lists_xml_lies_beside_the_pictures_of_each_split(tmp_path):
    def write(split: str, first: int, count: int) -> None:
        for number in range(first, first + count):
            picture(tmp_path / "set" / split / f"{number}.png", number)
            (tmp_path / "set" / split / f"{number}.xml").write_text(voc())

    splits(write)
    assert load(tmp_path).plan.rows["validation"] == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "JPEGImages/2.png has no XML file"),
        ("<annotation><object>", "Annotations/2.xml: no XML that can be read"),
        (voc(box=(1, 2, "x", 4)), "Annotations/2.xml: object 1 (cat) has no bndbox with the numb"),
        (voc(label=" "), "Annotations/2.xml: object 1 has no name"),
        (voc(box=(9, 2, 3, 4)), "object 1 of 2.png: its box ends before it begins"),
        (voc(size=80), "the objects of 2.png are of a picture of 80 x 20 pixels, it has 40 x 20"),
    ],
)
def test_what_is_wrong_with_an_xml_file_is_named(tmp_path, text, expected):
    of_voc(tmp_path / "set")
    file = tmp_path / "set" / "Annotations" / "2.xml"
    file.unlink()
    if text is not None:
        file.write_text(text)
    assert expected in said(tmp_path)


def of_yolo(root: Path, images: str, labels: str) -> None:
    def write(split: str, first: int, count: int) -> None:
        for number in range(first, first + count):
            picture(root / images.format(split) / f"{number}.png", number)
            file = root / labels.format(split) / f"{number}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            if number % 3:
                file.write_text(f"{number % 2} 0.5 0.5 0.25 0.5\n\n")

    splits(write)


@pytest.mark.parametrize(
    ("images", "labels"),
    [("{}/images", "{}/labels"), ("images/{}", "labels/{}"), ("{}", "{}")],
)
@pytest.mark.parametrize(
    ("file", "names"),
    [("classes.txt", "cat\ndog\n"), ("data.yaml", "nc: 2\nnames: [cat, dog]\n"),
     ("data.yaml", "names:\n  0: cat\n  1: dog\n")],
)  # fmt: skip
def test_yolo_folders_are_read(tmp_path, images, labels, file, names):
    of_yolo(tmp_path / "set", images, labels)
    (tmp_path / "set" / file).write_text(names)
    loaded = load(tmp_path)
    assert loaded.plan.rows == {"train": TRAIN, "validation": 3, "test": 3}
    found = objects(loaded)
    assert found["1.png"] == [("dog", [15.0, 5.0, 25.0, 15.0])]
    assert found["3.png"] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0.5 0.5 0.25", "labels/2.txt:2: '0 0.5 0.5 0.25' is no class and four numbers"),
        ("0 20 10 10 5", "labels/2.txt:2: '0 20 10 10 5' is no box in shares of the picture"),
        ("0 0.5 0.5 0 0.1", "labels/2.txt:2: '0 0.5 0.5 0 0.1' is a box without area"),
        ("8 0.5 0.5 0.1 0.1", "labels/2.txt:2: there is no class 8; there are 0 cat, 1 dog"),
    ],
)
def test_what_is_wrong_with_a_line_is_named(tmp_path, line, expected):
    root = tmp_path / "set"
    of_yolo(root, "{}/images", "{}/labels")
    (root / "classes.txt").write_text("cat\ndog\n")
    (root / "train" / "labels" / "2.txt").write_text(f"\n{line}\n")
    assert expected in said(tmp_path)


def test_yolo_without_names_and_pictures_without_anything_are_refused(tmp_path):
    of_yolo(tmp_path / "set", "{}/images", "{}/labels")
    assert "nothing that names the classes" in said(tmp_path)
    for file in (tmp_path / "set").rglob("*.txt"):
        file.unlink()
    assert "nothing that says what is in them" in said(tmp_path)
