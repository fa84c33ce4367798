from pathlib import Path

from sam2_rt.train.log import Line, Log, read


def test_lines_come_back_as_they_were_written(tmp_path: Path):
    lines = [Line(20, 0.1, 1, 1e-3, 2.5, 0.3), Line(40, 0.2, 1, 1e-3, click=0.4, box=0.5, clip=0.6)]
    log = Log(tmp_path / "log.jsonl")
    for line in lines:
        log.write(line)
    assert read(tmp_path / "log.jsonl") == lines


def test_hours_go_on_where_they_were(tmp_path: Path):
    Log(tmp_path / "log.jsonl").write(Line(20, 7.5, 1, 1e-3))
    assert 7.5 <= Log(tmp_path / "log.jsonl").hours < 7.51
    assert Log(tmp_path / "other.jsonl").hours < 0.01


def test_no_file_has_no_lines(tmp_path: Path):
    assert read(tmp_path / "log.jsonl") == []


def test_what_a_killed_run_took_back_is_left_out(tmp_path: Path):
    for steps in ((20, 40, 60), (40, 60, 80)):
        log = Log(tmp_path / "log.jsonl")
        for step in steps:
            log.write(Line(step, step / 10, 1, 1e-3, loss=float(step)))
    assert [line.step for line in read(tmp_path / "log.jsonl")] == [20, 40, 40, 60, 80]


def test_a_line_that_was_cut_off_is_left_out_and_spoils_none_after_it(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    Log(path).write(Line(20, 0.1, 1, 1e-3))
    with path.open("a") as file:
        file.write('{"step": 40, "ho')
    assert [line.step for line in read(path)] == [20]
    Log(path).write(Line(60, 0.2, 1, 1e-3))
    assert [line.step for line in read(path)] == [20, 60]
