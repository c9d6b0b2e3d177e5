"""Raven tables and csv files of Kaleidoscope with the columns that those programs, and others, write.

The columns follow tables of Raven in the tests of the Acoustic Workbench of QUT (a row for each view, a measurement
that only the spectrogram has); BirdNET-Analyzer's headers RAVEN_TABLE_HEADER and KALEIDOSCOPE_HEADER and its
row "nocall";
opensoundscape and crowsetta, which read Raven; and descriptions of id.csv and cluster.csv beside published data. The
contents are made up.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gridcnn.datasets.annotations import kind_of_file, read_annotations
from gridcnn.segments import Event

HEAD = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_measurements_that_only_one_view_has_do_not_make_two_selections(tmp_path: Path) -> None:
    table = (
        f"{HEAD}\tDelta Time (s)\tAvg Power Density (dB FS/Hz)\tAnnotation\n"
        "1\tWaveform 1\t1\t6.7095\t15.0964\t1739.012\t3798.813\t8.3869\t\tBirb\n"
        "1\tSpectrogram 1\t1\t6.7095\t15.0964\t1739.012\t3798.813\t8.3869\t-75.87\tBirb\n"
        "1\tSpectrogram 2\t1\t6.7095\t15.0964\t1739.012\t3798.813\t8.3869\t-75.87\t\n"
    )
    read = read_annotations(written(tmp_path / "rec.Table.1.selections.txt", table))

    assert [(each.start, each.label, each.more["Avg Power Density (dB FS/Hz)"]) for each in read] == [
        (6.7095, "Birb", "-75.87")
    ]
    assert read.rows == (3,)


def test_views_of_a_selection_whose_labels_differ_are_both_kept(tmp_path: Path) -> None:
    table = f"{HEAD}\tAnnotation\n1\tWaveform 1\t1\t1\t2\t\t\ta\n1\tSpectrogram 1\t1\t1\t2\t5\t9\tb\n"

    assert [each.label for each in read_annotations(written(tmp_path / "rec.txt", table))] == ["a", "b"]


@pytest.mark.parametrize("name", ["annotation", "SPECIES", "Call Type", "type", "Tag 1", "Sound type"])
def test_usual_columns_of_labels_are_known_however_they_are_written(tmp_path: Path, name: str) -> None:
    table = f"{HEAD}\t{name}\tObserver\n1\tSpectrogram 1\t1\t1\t2\t5\t9\towl\tAnn\n"

    event = read_annotations(written(tmp_path / "rec.txt", table))[0]
    assert (event.label, event.more) == ("owl", {"Observer": "Ann"})


def test_the_only_column_of_words_that_a_person_added_holds_the_labels(tmp_path: Path) -> None:
    table = (
        f"{HEAD}\tDelta Freq (Hz)\tBegin Date Time\tPeak Freq (Hz)\tBegin File\tQuality\tsp\tNotes\n"
        "1\tSpectrogram 1\t1\t1\t2\t5\t9\t4\t2024/5/1\t7\trec.wav\t3\towl\tloud\n"
    )
    read = read_annotations(written(tmp_path / "rec.txt", table))

    assert read[0].label == "owl"
    assert "labels are in the column 'sp'" in read.notes[0]


def test_of_several_columns_of_words_none_is_taken_and_all_are_named(tmp_path: Path) -> None:
    table = written(tmp_path / "rec.txt", f"{HEAD}\tsp\tobs\n1\tSpectrogram 1\t1\t1\t2\t5\t9\towl\tAnn\n")
    read = read_annotations(table)

    assert read[0].label == ""
    assert "'sp', 'obs' may all hold labels: say which with --label" in read.notes[0]
    assert read_annotations(table, label="sp")[0].label == "owl"
    assert read_annotations(table, label="sp").notes == ()


def test_a_length_stands_for_an_end(tmp_path: Path) -> None:
    table = "Selection\tBegin Time (s)\tDelta Time (s)\tBegin Path\tFile Offset (s)\n1\t60.1\t0.2\t/a/b.wav\t0.1\n"

    event = read_annotations(written(tmp_path / "rec.txt", table))[0]
    assert (event.source, event.start, event.end) == ("/a/b.wav", 0.1, 0.3)


def test_a_selection_whose_paths_differ_is_a_bad_row(tmp_path: Path) -> None:
    table = (
        "Begin Time (s)\tEnd Time (s)\tBegin Path\tEnd Path\tFile Offset (s)\n"
        "1\t2\t/a.wav\t/a.wav\t1\n59\t61\t/a.wav\t/b.wav\t59\n"
    )
    read = read_annotations(written(tmp_path / "rec.txt", table), on_error="skip")

    assert [each.more for each in read] == [{}]
    assert [each.row for each in read.skipped] == [3]


BIRDNET = f"{HEAD}\tCommon Name\tSpecies Code\tConfidence\tBegin Path\tFile Offset (s)\n"


def test_a_table_of_birdnet_counts_from_the_beginning_of_each_recording(tmp_path: Path) -> None:
    """In a table of several recordings, Begin Time goes on from one to the next, and File Offset does not."""
    table = BIRDNET + (
        "1\tSpectrogram 1\t1\t0.0\t3.0\t0\t15000\tEurasian Blackbird\teurbla\t0.8741\t/data/a.wav\t0.0\n"
        "2\tSpectrogram 1\t1\t123.0\t126.0\t0\t15000\tGreat Tit\tgretit1\t0.42\t/data/b.wav\t3.0\n"
    )
    assert list(read_annotations(written(tmp_path / "a.BirdNET.selection.table.txt", table))) == [
        Event("/data/a.wav", 0, 3, "Eurasian Blackbird", 0.8741, 0, 15000, 1, {"Species Code": "eurbla"}),
        Event("/data/b.wav", 3, 6, "Great Tit", 0.42, 0, 15000, 1, {"Species Code": "gretit1"}),
    ]


def test_nocall_is_no_event(tmp_path: Path) -> None:
    table = BIRDNET + "1\tSpectrogram 1\t1\t0\t3\t0\t15000\tnocall\tnocall\t1.0\t/data/a.wav\t0\n"
    read = read_annotations(written(tmp_path / "a.BirdNET.selection.table.txt", table))

    assert list(read) == []
    assert read.skipped == ()
    assert "1 row 'nocall'" in read.notes[0]


def test_birdnet_in_the_form_of_kaleidoscope_has_common_names_and_confidences(tmp_path: Path) -> None:
    text = (
        "INDIR,FOLDER,IN FILE,OFFSET,DURATION,scientific_name,common_name,confidence,lat,lon,week,overlap,sensitivity\n"
        "/data,site1,rec1.wav,3.0,3.0,Turdus merula,Eurasian Blackbird,0.8123,-1,-1,-1,0.0,1.0\n"
    )
    path = written(tmp_path / "a.BirdNET.results.kaleidoscope.csv", text)

    assert kind_of_file(path) == "kaleidoscope"
    event = read_annotations(path)[0]
    assert (event.source, event.start, event.end) == ("/data/site1/rec1.wav", 3, 6)
    assert (event.label, event.confidence) == ("Eurasian Blackbird", 0.8123)


ID = (
    "INDIR,OUTDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,OUT FILE FS,OUT FILE ZC,DATE,TIME,HOUR,DATE-12,TIME-12,"
    "HOUR-12,AUTO ID*,PULSES,MATCHING,MATCH RATIO,MARGIN,ALTERNATE 1,ALTERNATE 2,N,Fc,Sc,Dur,Fmax,Fmin,Fmean,TBC,"
    "Fk,Tk,S1,Tc,Qual,FILES,MANUAL ID\n"
)


def test_an_id_file_of_kaleidoscope_is_read(tmp_path: Path) -> None:
    text = ID + (
        "D:\\bats,D:\\out,night1\\a,S4U1.wav,0,10.5,5,S4U1_000.wav,,2024-07-01,21:30:00,21,2024-07-01,09:30:00,9,"
        "PIPPIP,12,10,0.83,0.5,PIPPYG,,12,45.1,50,4.2,52.5,44.25,46,90,46,3,200,4,1,1,\n"
        "D:\\bats,D:\\out,night1\\a,S4U2.wav,1,0,5,,,2024-07-01,21:31:00,21,,,,NoID,,,,,,,,,,,,,,,,,,,,1,MYODAU\n"
    )
    first, second = read_annotations(written(tmp_path / "id.csv", text))

    assert (first.source, first.start, first.end) == ("D:\\bats\\night1\\a\\S4U1.wav", 10.5, 15.5)
    assert (first.label, first.low, first.high, first.channel) == ("PIPPIP", 44_250, 52_500, 1)
    assert (second.label, second.more["AUTO ID"], second.low, second.channel) == ("MYODAU", "NoID", None, 2)


def test_a_star_behind_a_name_is_no_part_of_it_unless_both_are_there(tmp_path: Path) -> None:
    both = "IN FILE*,OFFSET,DURATION,AUTO ID,AUTO ID*\nx.wav,0,1,old,new\ny.wav,0,1,old,\n"

    assert [each.label for each in read_annotations(written(tmp_path / "id.csv", both), "kaleidoscope")] == [
        "new",
        "old",
    ]


def test_the_distance_of_a_cluster_is_no_confidence(tmp_path: Path) -> None:
    text = "INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,Fmin,Fmean,Fmax,TOP1MATCH*,TOP1DIST,VOCALIZATIONS,MANUAL ID*\n"
    event = read_annotations(
        written(tmp_path / "cluster.csv", text + "/a,b,x.wav,0,1.25,0.5,1500,2000,2500,cluster.01,0.25,3,\n")
    )[0]

    assert (event.label, event.confidence, event.more["TOP1DIST"]) == ("cluster.01", None, "0.25")
    assert (event.source, event.low, event.high) == ("/a/b/x.wav", 1500, 2500)
