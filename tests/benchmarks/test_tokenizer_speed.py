import tokenizer_speed

from .util import run_command


def test_cli(tmp_path):
    path = tmp_path / "tweets.txt"
    path.write_text("@kim: don't :)\nso tired\nnever read\n", encoding="utf-8")
    command = tokenizer_speed.tokenizer_speed_cli
    result = run_command(command, path, "--limit", "2", "--turns", "3")
    assert result.exit_code == 0, result.output
    assert "2 tweets, median of 3" in result.output
    rows = {line[:11]: line[11:].split() for line in result.output.splitlines()}
    for state in ("first time ", "second time"):
        ours, spacys, ratio = (float(cell.replace(",", "")) for cell in rows[state])
        assert ours > 0
        assert spacys > 0
        assert abs(ratio - ours / spacys) < 0.05 * ratio
