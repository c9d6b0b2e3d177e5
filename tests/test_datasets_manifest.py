import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gridcnn.datasets import load_manifest, load_table
from gridcnn.errors import DataError


@pytest.fixture
def manifest(tmp_path):
    def write(content: str | bytes, name: str = "reviews.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def clips(tmp_path):
    """Return a folder with three pictures in clips/."""
    (tmp_path / "clips").mkdir()
    for number in (1, 2, 3):
        Image.new("L", (4, 4)).save(tmp_path / f"clips/{number}.png")
    return tmp_path


def test_sentences_and_labels_are_read(manifest):
    dataset = load_manifest(manifest("text,label\nso good,yes\nso bad,no\n"), text="text", label="label")
    assert dataset.items == ["so good", "so bad"]
    assert dataset.labels.tolist() == ["yes", "no"]
    assert (dataset.modality, dataset.name) == ("text", "reviews")


def test_commas_quotes_and_newlines_inside_text_are_kept(manifest):
    path = manifest('text,label\r\n"a, ""b""\r\nc",yes\r\n"d",no\r\n')
    assert load_manifest(path, text="text", label="label").items == ['a, "b"\r\nc', "d"]


def test_words_that_mean_nothing_to_pandas_are_words(manifest):
    dataset = load_manifest(manifest("text,label\nNA,None\nnull,nan\nNaN,NA\n"), text="text", label="label")
    assert dataset.items == ["NA", "null", "NaN"]
    assert dataset.labels.tolist() == ["None", "nan", "NA"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found_in_the_header(manifest, separator):
    path = manifest(f"text{separator}label\nfine{separator}1\nbad{separator}2\n")
    assert load_manifest(path, text="text", label="label").labels.tolist() == [1, 2]


def test_semicolons_in_the_text_do_not_mislead(manifest):
    assert load_manifest(manifest("text,label\na; b; c; d,1\n"), text="text").items == ["a; b; c; d"]


def test_tsv_with_a_lone_quotation_mark_is_read_literally(manifest):
    path = manifest('text\tlabel\n"so it goes\tyes\n"good" indeed\tno\n', "reviews.tsv")
    assert load_manifest(path, text="text", label="label").items == ['"so it goes', '"good" indeed']


def test_jsonl_and_parquet_give_the_same(manifest, tmp_path):
    rows = [{"text": "a, b", "label": 3}, {"text": "c\u2028d", "label": 4}]
    lines = manifest("\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "r.jsonl")
    pd.DataFrame(rows).to_parquet(tmp_path / "r.parquet")
    for path in (lines, tmp_path / "r.parquet"):
        dataset = load_manifest(path, text="text", label="label")
        assert dataset.items == ["a, b", "c\u2028d"]
        assert dataset.labels.tolist() == [3, 4]


def test_labels_are_integers_only_where_nothing_is_lost(manifest):
    def labels(*cells):
        text = "text,label\n" + "".join(f"x,{cell}\n" for cell in cells)
        return load_manifest(manifest(text), text="text", label="label").labels.tolist()

    assert labels("-1", " 2") == [-1, 2]
    assert labels("01", "1") == ["01", "1"]
    assert labels("1", "a") == ["1", "a"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("sentence", ["le café est très bon", "schöne Grüße", "É"])
def test_encodings_are_detected(manifest, encoding, sentence):
    path = manifest(f"text,label\n{sentence},oui\n".encode(encoding))
    assert load_manifest(path, text="text", label="label").items == [sentence]


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [("cp1251", "очень хороший фильм"), ("cp1250", "příliš žluťoučký kůň"), ("shift_jis", "面白かった")],
)
def test_encodings_that_cannot_be_proved_are_asked_for(manifest, encoding, sentence):
    path = manifest(f"text,label\n{sentence},1\n".encode(encoding))
    with pytest.raises(DataError, match=r"--encoding .encoding=.*or save the file as UTF-8"):
        load_manifest(path, text="text")
    assert load_manifest(path, text="text", encoding=encoding).items == [sentence]


def test_a_wrong_encoding_is_named(manifest):
    path = manifest("text\ncafé\n".encode("latin-1"))
    with pytest.raises(DataError, match="byte 8 is not utf-8"):
        load_manifest(path, text="text", encoding="utf-8")
    with pytest.raises(DataError, match="unknown encoding 'utf-88': use a name such as utf-8"):
        load_manifest(path, text="text", encoding="utf-88")


def test_a_wrong_column_gets_the_list_and_the_nearest_name(manifest):
    with pytest.raises(DataError, match=r"no column 'lable': choose one of 'Text', 'Label'. Did you mean 'Label'\?"):
        load_manifest(manifest("Text,Label\na,b\n"), text="Text", label="lable")


def test_two_columns_of_one_name_are_refused(manifest):
    with pytest.raises(DataError, match="2 columns are called 'text': rename"):
        load_manifest(manifest("text,text\na,b\n"), text="text")


@pytest.mark.parametrize("columns", [{}, {"text": "a", "path_column": "b"}])
def test_one_column_must_hold_the_items(manifest, columns):
    with pytest.raises(DataError, match=r"either text= .* or path_column= .*'a', 'b'"):
        load_manifest(manifest("a,b\n1,2\n"), **columns)


def test_empty_cells_are_named_by_row_or_skipped(manifest):
    path = manifest("text,label\ngood,yes\n,no\n\nbad,\nfine,no\n\n\n")
    with pytest.raises(DataError, match=r"row 3: no text; row 4: no text\. Correct or delete these rows"):
        load_manifest(path, text="text", label="label")
    dataset = load_manifest(path, text="text", label="label", on_error="skip")
    assert dataset.items == ["good", "fine"]
    assert dataset.labels.tolist() == ["yes", "no"]
    assert dataset.skipped == (
        (f"{path}, row 3", "no text", 3),
        (f"{path}, row 4", "no text", 4),
        (f"{path}, row 5", "no label", 5),
    )


@pytest.mark.parametrize(("name", "row"), [("r.jsonl", 3), ("r.parquet", 2)])
def test_skipped_rows_carry_their_number_in_the_file(manifest, tmp_path, name, row):
    rows = [{"text": "a"}, {"text": ""}, {"text": "c"}]
    if name.endswith("jsonl"):
        manifest("\n\n".join(map(json.dumps, rows)), name)  # an empty line is a line
    else:
        pd.DataFrame(rows, index=[7, 8, 9]).to_parquet(tmp_path / name)
    (skipped,) = load_manifest(tmp_path / name, text="text", on_error="skip").skipped
    assert (type(skipped.row), skipped.row) == (int, row)


def test_skipped_rows_of_missing_files_carry_their_number(clips, manifest):
    path = manifest("file\nclips/1.png\nclips/9.png\nreviews.csv\n")
    assert [each.row for each in load_manifest(path, path_column="file", on_error="skip").skipped] == [3, 4]


def test_missing_values_in_parquet_are_empty_cells(tmp_path):
    pd.DataFrame({"text": ["a", None, "c"], "label": [1.0, 2.0, np.nan]}).to_parquet(tmp_path / "r.parquet")
    dataset = load_manifest(tmp_path / "r.parquet", text="text", label="label", on_error="skip")
    assert dataset.items == ["a"]
    assert dataset.labels.tolist() == [1]
    assert len(dataset.skipped) == 2


def test_many_bad_rows_are_counted(manifest):
    with pytest.raises(DataError, match="row 6: no label and 4 more"):
        load_manifest(manifest("text,label\n" + "x,\n" * 9), text="text", label="label")


def test_nothing_left_after_skipping_is_an_error(manifest):
    with pytest.raises(DataError, match="the only row cannot be used: row 2: no label"):
        load_manifest(manifest("text,label\nx,\n"), text="text", label="label", on_error="skip")


def test_an_unquoted_comma_is_named_by_row(manifest):
    with pytest.raises(DataError, match=r"row 3: 3 cells under 2 column names .put text .* in double quotes"):
        load_manifest(manifest("text,label\na,1\nb, c,2\n"), text="text")


def test_an_open_quotation_mark_is_refused(manifest):
    with pytest.raises(DataError, match="a double quote opens a cell and none closes it"):
        load_manifest(manifest('text,label\n"a,1\nb,2\n'), text="text")


def test_one_row_is_enough_for_a_prediction(manifest):
    dataset = load_manifest(manifest("text\nonly this"), text="text")
    assert dataset.items == ["only this"]
    assert dataset.labels is None


@pytest.mark.parametrize("content", ["", "\n", "text,label\n", "text,label\n\n\n"])
def test_a_file_without_rows_is_refused(manifest, content):
    with pytest.raises(DataError, match="no rows: expected one line with the names of the columns"):
        load_manifest(manifest(content), text="text")


def test_paths_resolve_against_the_manifest(clips, manifest, monkeypatch):
    monkeypatch.chdir("/")
    path = manifest(f"file,kind\nclips/1.png,a\n{clips}/clips/2.png,b\n")
    dataset = load_manifest(path, path_column="file", label="kind")
    assert dataset.items == [clips / "clips/1.png", clips / "clips/2.png"]
    assert dataset.modality == "image"


def test_files_that_do_not_exist_are_named_or_skipped(clips, manifest):
    path = manifest("file,kind\nclips/1.png,a\nclips/9.png,b\nclips,b\n")
    with pytest.raises(DataError, match=r"row 3: no such file: .*9\.png; row 4: no such file"):
        load_manifest(path, path_column="file", label="kind")
    dataset = load_manifest(path, path_column="file", label="kind", on_error="skip")
    assert len(dataset) == 1
    assert len(dataset.skipped) == 2


def test_listed_files_that_are_no_media_are_named_or_skipped(clips, manifest):
    path = manifest("file\nclips/1.png\nreviews.csv\n")
    with pytest.raises(DataError, match=r"row 3: expected a picture, got .*reviews\.csv"):
        load_manifest(path, path_column="file")
    assert len(load_manifest(path, path_column="file", on_error="skip")) == 1


def test_groups_and_parts_are_read(manifest):
    path = manifest("text,site,part\na,1,Training\nb,2,dev\nc,3,testing\n")
    dataset = load_manifest(path, text="text", group="site", split="part")
    assert dataset.groups.tolist() == ["1", "2", "3"]
    assert dataset.split.tolist() == ["train", "validation", "test"]


def test_an_unknown_part_is_listed(manifest):
    with pytest.raises(DataError, match="unknown parts 'hold' in column 'part': write train, validation or test"):
        load_manifest(manifest("text,part\na,train\nb,hold\n"), text="text", split="part")


def test_wrong_files_get_the_right_loader(manifest, tmp_path):
    with pytest.raises(DataError, match="load_folder"):
        load_manifest(tmp_path, text="text")
    with pytest.raises(DataError, match="no such file"):
        load_manifest(tmp_path / "nowhere.csv", text="text")
    with pytest.raises(DataError, match=r"expected a file that ends in \.csv, \.tsv, \.parquet, \.jsonl"):
        load_manifest(manifest("x", "reviews.docx"), text="text")
    with pytest.raises(DataError, match="not a readable parquet file"):
        load_manifest(manifest("x", "reviews.parquet"), text="text")
    with pytest.raises(DataError, match=r"row 2: .*write one JSON object on each line"):
        load_manifest(manifest('{"text": "a"}\n{"text"', "reviews.jsonl"), text="text")
    with pytest.raises(DataError, match="row 1: expected an object"):
        load_manifest(manifest("[1]", "reviews.jsonl"), text="text")


def test_on_error_takes_two_words(manifest):
    with pytest.raises(DataError, match="expected 'raise' or 'skip'"):
        load_manifest(manifest("text\na\n"), text="text", on_error="ignore")


def test_a_table_keeps_its_other_columns_as_numbers(manifest):
    dataset = load_table(manifest("maths,art,name,passed\n60,1.5,ann,yes\n40,,bob,no\n"), label="passed")
    assert dataset.items.columns.tolist() == ["maths", "art", "name"]
    assert dataset.items["maths"].tolist() == [60, 40]
    assert np.isnan(dataset.items["art"].iloc[1])
    assert dataset.items["name"].tolist() == ["ann", "bob"]
    assert dataset.items.index.tolist() == [2, 3]
    assert dataset.labels.tolist() == ["yes", "no"]
    assert dataset.modality == "table"


def test_a_table_without_labels_or_with_a_missing_one(manifest):
    path = manifest("maths,passed\n60,yes\n40,\n")
    assert load_table(path).items.shape == (2, 2)
    with pytest.raises(DataError, match="row 3: no passed"):
        load_table(path, label="passed")
    with pytest.raises(DataError, match="Did you mean 'passed'"):
        load_table(path, label="pased")
