import typer
from typer.testing import CliRunner

from .scripts import load_script

tokenizer_speed = load_script("tokenizer_speed")


def test_cli(tmp_path):
    path = tmp_path / "tweets.txt"
    path.write_text("@kim: don't :)\nso tired\nnever read\n", encoding="utf-8")
    app = typer.Typer()
    app.command()(tokenizer_speed.tokenizer_speed_cli)
    result = CliRunner().invoke(app, [str(path), "--limit", "2", "--turns", "3"])
    assert result.exit_code == 0, result.output
    assert "2 tweets, median of 3" in result.output
    rows = {line[:11]: line[11:].split() for line in result.output.splitlines()}
    for state in ("first time ", "second time"):
        ours, spacys, ratio = (float(cell.replace(",", "")) for cell in rows[state])
        assert ours > 0
        assert spacys > 0
        assert abs(ratio - ours / spacys) < 0.05 * ratio
