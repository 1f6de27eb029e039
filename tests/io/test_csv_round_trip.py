"""Tests that a csv file's own rows come back byte for byte, and new rows in its dialect."""

import codecs
import re

import numpy as np
import pytest

from sklearn_pyraug import MLP, RHVAEAugmenter
from sklearn_pyraug.cli import main
from sklearn_pyraug.io import load_table, save_table

pytest.importorskip("pandas")

N = 24
RNG = np.random.default_rng(0)
AGE = RNG.integers(20, 80, N)
CRP = RNG.lognormal(1, 1, N).round(2)
SEX = RNG.choice(["f", "m"], N)
NOTE, FIVE_INCHES = "two\nlines", '5"" pipe'
DX = np.repeat(["ill", "well"], [8, 16])


def lines(row, header, end="\n"):
    """Return a file of a header and one line for each row number."""
    return "".join(line + end for line in [header, *(row(i) for i in range(N))])


# Each with a pattern that the cells of new rows have, and options of `load_table`.
DIALECTS = {
    "plain, with codes": (
        lines(
            lambda i: (
                f"{['01067', '04109'][i % 2]},{['1E10', '5E00'][i % 3 % 2]},"
                f"{['None', 'NA'][i % 2]},{'' if i % 9 == 8 else i % 4},{DX[i]}"
            ),
            "zip,icd,ward,kids,dx",
        ).encode(),
        r"(01067|04109),(1E10|5E00),(None|NA),[0-3]?,(ill|well),True",
        {},
    ),
    "Excel in Europe": (
        codecs.BOM_UTF8
        + lines(
            lambda i: f"{AGE[i]};{CRP[i]:.2f};{1000 + 37 * i};{DX[i]}".replace(".", ","),
            "größe;crp;leukos;dx",
            "\r\n",
        ).encode(),
        r"\d+;\d+,\d\d;\d{4};(ill|well);True",
        {},
    ),
    "Excel's separator line": (
        (
            "sep=;\r\n" + lines(lambda i: f"{AGE[i]};{SEX[i]};{DX[i]}", "age;sex;dx", "\r\n")
        ).encode(),
        r"\d+;[fm];(ill|well);True",
        {},
    ),
    "Latin-1": (
        lines(lambda i: f"{AGE[i]},{'fé' if SEX[i] == 'f' else 'mü'},{DX[i]}", "âge,sex,dx").encode(
            "latin-1"
        ),
        r"\d+,(fé|mü),(ill|well),True",
        {},
    ),
    "UTF-16 with tabs": (
        codecs.BOM_UTF16_LE
        + lines(lambda i: f"{AGE[i]}\t{SEX[i]}\t{DX[i]}", "age\tsex\tdx", "\r\n").encode(
            "utf-16-le"
        ),
        r"\d+\t[fm]\t(ill|well)\tTrue",
        {},
    ),
    "all quoted": (
        lines(
            lambda i: f'"{AGE[i]}","{SEX[i] if i % 7 else ""}","{DX[i]}"', '"age","sex","dx"'
        ).encode(),
        r'"\d+","[fm]?","(ill|well)","True"',
        {},
    ),
    "texts quoted, as R does": (
        lines(
            lambda i: f'"{i}",{AGE[i]},{"NA" if i % 7 == 0 else CRP[i]},"{SEX[i]}","{DX[i]}"',
            '"","age","crp","sex","dx"',
        ).encode(),
        r'(\d+|"\d+"),\d+,(NA|\d+\.\d{1,2}|\d+),"[fm]","(ill|well)",True',
        {"na": ["NA"]},
    ),
    "quoted separators, line ends and quotes": (
        lines(
            lambda i: f'{AGE[i]},"{["a, b", NOTE, FIVE_INCHES][i % 3]}",{DX[i]}',
            'age,"what, exactly",dx',
        ).encode(),
        None,
        {},
    ),
    "bars and spaces": (
        lines(lambda i: f"{AGE[i]} | {CRP[i]:.1f} | {DX[i]}", "age| crp |dx").encode(),
        r"\d+ ?\| ?\d+\.\d ?\| ?(ill|well| ill| well) ?\|True",
        {},
    ),
    "comments, truth values, no last line end": (
        (
            "# exported 2024, by me\n"
            + lines(
                lambda i: (
                    f"{AGE[i]},{['TRUE', 'FALSE'][i % 2]},{['true', 'false'][i % 3 % 2]},{DX[i]}"
                ),
                "age,smokes,drinks,dx",
            )
        )
        .rstrip("\n")
        .encode(),
        r"\d+,(TRUE|FALSE),(true|false),(ill|well),True",
        {},
    ),
    "all quoted, and spaces": (
        lines(
            lambda i: f'"{AGE[i]}", "{SEX[i]}", "{["a,b", NOTE][i % 2]}", "{DX[i]}"',
            '"age", "sex", "note", "dx"',
        ).encode(),
        None,
        {},
    ),
    "thousands and signs": (
        lines(
            lambda i: f'"{1000 + 537 * i:,}",{CRP[i] - 3:+.2f},{DX[i]}', "cells,diopters,dx"
        ).encode(),
        r'"?\d{1,2},\d{3}"?,[+-]?\d+\.\d\d,(ill|well),True',
        {},
    ),
    "labels as numbers, an index without a name, repeated names": (
        lines(
            lambda i: f"{i},{AGE[i]},{CRP[i]:.3f},{['1.0', '2.50'][DX[i] == 'ill']}", ",x,x,dx"
        ).encode(),
        r"\d+,\d+,\d+\.\d{3},(1\.0|2\.50),True",
        {},
    ),
}


def augmenter(X):
    """Return the augmenter of the command line's brief fit."""
    missing = "keep" if X.isna().any(axis=None) else "error"
    return RHVAEAugmenter(
        missing=missing, random_state=0, latent_dim=2, max_epochs=2, encoder=MLP((8,)), device="cpu"
    )


def decoded(data):
    """Return the text of any of the files."""
    if data.startswith(codecs.BOM_UTF16_LE):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@pytest.mark.filterwarnings("ignore:.*(Latin-1|no name|same name):UserWarning")
@pytest.mark.parametrize("name", DIALECTS)
def test_rows_come_back_byte_for_byte(name, tmp_path):
    data, pattern, options = DIALECTS[name]
    (tmp_path / "in.csv").write_bytes(data)
    X, y = load_table(tmp_path / "in.csv", "dx", **options)
    assert len(y) == N
    save_table(tmp_path / "same.csv", X, y, target="dx")
    assert (tmp_path / "same.csv").read_bytes() == data

    model = augmenter(X)
    X_new, y_new = model.fit_resample(X, y)
    save_table(tmp_path / "out.csv", X_new, y_new, model.synthetic_mask_, target="dx")
    out = (tmp_path / "out.csv").read_bytes()
    before, after = decoded(data), decoded(out)
    end = "\r\n" if "\r\n" in before else "\n"
    assert before.endswith(end) == after.endswith(end)
    # Without the mark, the file begins as it did.
    unmarked = re.sub(r"([,;\t|]) ?\"?(synthetic|False)\"?(?=\r?\n|$)", "", after)
    assert unmarked.startswith(before.rstrip(end) + end)
    new = after.rstrip(end).split(end)[len(before.rstrip(end).split(end)) :]
    assert len(new) >= 32 - N
    if pattern is not None:
        wrong = [line for line in new if not re.fullmatch(pattern, line)]
        assert not wrong

    more = [part for word in options.get("na", []) for part in ("--na", word)]
    arguments = ["augment", tmp_path / "in.csv", "--target", "dx", "-o", tmp_path / "cli.csv", "-q"]
    quick = ["--latent-dim", "2", "--device", "cpu", "--set", "max_epochs=2"]
    quick += ["--set", "encoder__hidden_layer_sizes=8", *more]
    assert main([*map(str, arguments), *quick]) == 0
    assert (tmp_path / "cli.csv").read_bytes() == out
