"""Tests of how a table's cells, names and lines are read, and of malicious files."""

import gzip
import importlib.util
import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from sklearn_pyraug.io import load_synthetic_mask, load_table, save_table

pd = pytest.importorskip("pandas")


@pytest.fixture
def read(tmp_path):
    """A function that reads a csv file of this text."""

    def read(text, target="y", name="t.csv", **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_table(path, target, **options)

    return read


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "-2", "+3"], [1, -2, 3]),
        (["1", "", " "], [1.0, np.nan, np.nan]),
        (["1.5", "2", ".5"], [1.5, 2.0, 0.5]),
        (["1e-3", "1.0E5", "2"], [1e-3, 1e5, 2.0]),
        (["1234567890123456789", "1", "2"], [1234567890123456789, 1, 2]),
        (["01", "1", "2"], ["01", "1", "2"]),
        (["1E10", "5E00", "2E3"], ["1E10", "5E00", "2E3"]),
        (["1_000", "2", "3"], ["1_000", "2", "3"]),
        (["nan", "inf", "1"], ["nan", "inf", "1"]),
        (["NA", "None", "null"], ["NA", "None", "null"]),
        (["True", "False", "True"], [True, False, True]),
        (["TRUE", "true", "TRUE"], ["TRUE", "true", "TRUE"]),
        (["9" * 30, "1", "2"], ["9" * 30, "1", "2"]),
        (["9" * 9999, "1", "2"], ["9" * 9999, "1", "2"]),
        (["2024-01-02", "1.2.3", "12%"], ["2024-01-02", "1.2.3", "12%"]),
    ],
)
def test_values_of_cells(cells, values, read):
    X, _ = read("x;z;y\n" + "".join(f"{cell};0;a\n" for cell in cells))
    assert [v if v == v else None for v in X["x"].tolist()] == [
        v if v == v else None for v in values
    ]
    assert [type(v) for v in X["x"].tolist()] == [type(v) for v in values]


def test_large_integers_with_gaps_stay_exact(read):
    X, _ = read("x,y\n1234567890123456789,a\n,b\n")
    assert X["x"].tolist() == [1234567890123456789, pd.NA]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('x,z,y\n"1,234",0.5,a\n"12",0.5,b\n', 1234),
        ('x,z,y\n"1,5",0,a\n"2,25",0,b\n', 1.5),
        ("x;z;y\n1.234;0,5;a\n2.500;0,5;b\n", 1234),
        ("x;z;y\n1.234;0.5;a\n2.500;0.5;b\n", 1.234),
        ("x;z;y\n1.234,5;0,5;a\n2,5;0,5;b\n", 1234.5),
        ("x\ty\n1 234\ta\n12\tb\n", 1234),
    ],
)
def test_decimal_points_and_thousands(text, value, read):
    assert read(text)[0]["x"].iloc[0] == value


@pytest.mark.parametrize(
    ("text", "options", "columns"),
    [
        ("a:b:y\n1:2:3\n", {"sep": ":"}, ["a", "b"]),
        ("a;b;y\n1,5;2;3\n", {"decimal": "."}, ["a", "b"]),
        ("a,b,y\n-,2,3\n", {"na": ["-"]}, ["a", "b"]),
        ("ä,y\n1,2\n".encode("utf-16-le"), {"encoding": "utf-16-le"}, ["ä"]),
        ("ä,y\n1,2\n".encode("cp1252"), {"encoding": "cp1252"}, ["ä"]),
        (" a , a b\n,y\n1,2,3\n".replace("\n,", ",", 1), {}, ["a", "a b"]),
        ('"a\nb",y\n1,2\n', {}, ["a b"]),
        ("\n\na,y\n\n1,2\n\n\n", {}, ["a"]),
        ("#a,y\n1,2\n", {}, ["#a"]),
        ('#a,y\n"1,5",2\n', {}, ["#a"]),
        ("y|a|b\n1|2,5|x;y\n", {}, ["a", "b"]),
    ],
)
def test_what_a_file_may_be_told_or_found_to_be(text, options, columns, read):
    assert list(read(text, **options)[0].columns) == columns


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,y\n1,2\n1,2,3\n", "line 3 has 3 cells, but the header has 2"),
        ("a,b,y\n1,2\n", "line 2 has 2 cells, but the header has 3"),
        ("a,y\n1,2,3\n2,2,3\n", "correct that line, or the header, where row names need a name"),
        ('a,y\n"1,2\n3,4\n', "unexpected end of data"),
        ('a,y\n"1"x,2\n', "line 2: ',' expected after.* double those within"),
        ("a:y\n1:2\n", "The columns are 'a:y'. If another character .* name it in `sep`"),
        ('a,b,y\n"x\nx",1,2\n1,2\n', "line 4 has 2 cells"),
        ("a,y\n", "no rows below the header"),
        ("a,y\n1,\0\n", "NUL characters"),
        ("a,y\n" + "x" * 200_000 + ",1\n", "field larger than field limit"),
        ("," * 70_000 + "\n1\n", "70001 columns, more than 65536"),
        (b"\xff\xfea", "no text in the encoding utf-16-le"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(text, match, read):
    with pytest.raises(ValueError, match=match):
        read(text)


def test_an_unknown_encoding_is_named(read):
    with pytest.raises(ValueError, match="`encoding` is 'klingon'"):
        read("a,y\n1,2\n", encoding="klingon")
    with pytest.raises(ValueError, match="`target` is 'Y', .* did you mean 'y'"):
        read("a,y\n1,2\n", "Y")
    with pytest.raises(ValueError, match="`keep` is 'ID', .* did you mean 'id'"):
        read("id,y\n1,2\n", keep=["ID"])


@pytest.mark.parametrize("option", [{"sep": ",,"}, {"decimal": ";"}, {"encoding": 3}])
def test_an_option_that_is_none_is_named(option, read):
    """The file was called damaged."""
    (name, value), *_ = option.items()
    with pytest.raises(ValueError, match=f"`{name}` is {value!r}.*; give"):
        read("a,y\n1,2\n", **option)


def test_a_single_name_is_not_one_of_letters(read):
    """`na="NA"` made cells of N and of A missing, and left NA."""
    X, _ = read("id,a,g,y\n1,NA,A,p\n2,3,N,q\n", keep="id", na="NA")
    assert X["a"].isna().tolist() == [True, False]
    assert X["g"].tolist() == ["A", "N"]
    assert "id" not in X


@pytest.mark.parametrize(
    ("text", "match", "values"),
    [
        ("a,y\n1,2,\n3,4,,\n", "2 of 2 rows have more cells", {"a": [1, 3]}),
        ("a,y\n1,2\n,\n", "1 empty rows are left out", {"a": [1]}),
        ("a,a,y\n1,2,3\n", "same name is called 'a.1'", {"a": [1], "a.1": [2]}),
        (",a,y\n0,2,3\n", "called 'Unnamed: 0'; name it in `keep`", {"Unnamed: 0": [0], "a": [2]}),
        ("é,y\n1,2\n".encode("latin-1"), "read as Latin-1", {"é": [1]}),
    ],
)
def test_what_is_changed_is_said(text, match, values, read):
    with pytest.warns(UserWarning, match=match):
        X, _ = read(text)
    assert X.to_dict("list") == values


def test_columns_that_are_kept_or_dropped(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text('id;"a";b;y\n001;"1,50";x;p\n001;"1,50";x;p\n002;2,5;"y;z";q\n')
    X, y = load_table(path, "y", keep=["id"])
    assert list(X.columns) == ["a", "b"]
    both = pd.concat([X.drop(columns="a"), X[["b"]][:1]], ignore_index=True)
    both.attrs = X.attrs
    mark = np.array([False, False, False, True])
    save_table(tmp_path / "out.csv", both, [*y, "p"], mark, target="y")
    assert (tmp_path / "out.csv").read_text() == (
        'id;b;y;synthetic\n001;x;p;False\n001;x;p;False\n002;"y;z";q;False\n;x;p;True\n'
    )


def test_rows_that_were_changed_selected_or_sorted(tmp_path):
    """Rows are found by their values: others are written in the format of the column."""
    path = tmp_path / "in.csv"
    path.write_text("a,b,y\n1.50,x,p\n2.0,y,q\n3,z,p\n")
    X, y = load_table(path, "y")
    X, y = X.iloc[[2, 1, 0]].copy(), y.iloc[[2, 1, 0]]
    X.loc[1, "a"] = 2.125
    save_table(tmp_path / "out.csv", X, y, target="y")
    assert (tmp_path / "out.csv").read_text() == "a,b,y\n3,z,p\n2.125,y,q\n1.50,x,p\n"


@pytest.mark.parametrize("suffix", [".tsv", ".csv.gz", ".parquet", ".xlsx"])
def test_other_kinds_of_files_keep_kept_columns(suffix, tmp_path):
    if suffix in (".parquet", ".xlsx"):
        pytest.importorskip({".parquet": "pyarrow", ".xlsx": "openpyxl"}[suffix])
    path = tmp_path / "in.csv"
    path.write_text("id,a,y\n01,1,p\n02,2,q\n")
    X, y = load_table(path, "y", keep=["id"])
    for source in (path, tmp_path / f"one{suffix}"):
        X, y = load_table(source, "y", keep=["id"])
        save_table(tmp_path / f"two{suffix}", X, y, [False, True], target="y", overwrite=True)
        (tmp_path / f"two{suffix}").replace(tmp_path / f"one{suffix}")
    X, y = load_table(tmp_path / f"one{suffix}", "y")
    assert X.to_dict("list") == {"id": ["01", X["id"].iloc[1]], "a": [1, 2]}
    assert X["id"].isna().tolist() == [False, True]
    assert y.tolist() == ["p", "q"]
    assert load_synthetic_mask(tmp_path / f"one{suffix}").tolist() == [False, True]
    if suffix == ".tsv":
        assert (tmp_path / "one.tsv").read_text().startswith("id\ta\ty\t")


@pytest.mark.parametrize("suffix", [".tsv", ".parquet", ".xlsx"])
def test_other_kinds_of_files_have_the_columns_in_the_same_order(suffix, read, tmp_path):
    """The target went to the end."""
    if suffix in (".parquet", ".xlsx"):
        pytest.importorskip({".parquet": "pyarrow", ".xlsx": "openpyxl"}[suffix])
    X, y = read("y,b,id,a\np,1,r,2\nq,3,s,4\n", "y", keep=["id"])
    save_table(tmp_path / f"out{suffix}", X.assign(c=0), y, target="y")
    X, _ = load_table(tmp_path / f"out{suffix}", "c")
    assert list(X) == ["y", "b", "id", "a"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".xlsx"])
def test_equal_rows_do_not_get_each_others_kept_values(suffix, read, tmp_path):
    """Of two equal rows, the one that stayed got the id of the one that was removed."""
    if suffix in (".parquet", ".xlsx"):
        pytest.importorskip({".parquet": "pyarrow", ".xlsx": "openpyxl"}[suffix])
    X, y = read("id,a,y\nr,1,p\ns,1,p\nt,2,q\n", "y", keep=["id"])
    path = tmp_path / f"out{suffix}"
    save_table(path, X[1:], y[1:], target="y")
    ids = load_table(path, "y")[0]["id"]
    assert ids.isna().tolist() == [True, False]
    assert ids.iloc[1] == "t"
    save_table(path, X[::-1], y[::-1], target="y", overwrite=True)
    assert sorted(load_table(path, "y")[0]["id"]) == ["r", "s", "t"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
def test_kept_values_of_any_type_stay_as_they_are(suffix, tmp_path):
    """Beside the empty cells of new rows, integers became floats, and dates were an error."""
    pytest.importorskip("pyarrow")
    pytest.importorskip("openpyxl")
    day = pd.Timestamp("2020-01-02")
    frame = pd.DataFrame({"id": [2**62 + 1, 7], "on": [day, day], "a": [0.1 + 0.2, 2]})
    frame.assign(y=["p", "q"]).to_parquet(tmp_path / "in.parquet")
    X, y = load_table(tmp_path / "in.parquet", "y", keep=["id", "on"])
    save_table(tmp_path / f"out{suffix}", X, y, [False, True], target="y")
    X, _ = load_table(tmp_path / f"out{suffix}", "y")
    assert X["a"].tolist() == [0.1 + 0.2, 2]
    if suffix == ".csv":
        assert "4611686018427387905,2020-01-02," in (tmp_path / "out.csv").read_text()
    elif suffix == ".xlsx":
        openpyxl = importlib.import_module("openpyxl")
        cells = [c.value for c in openpyxl.load_workbook(tmp_path / "out.xlsx").active[2]]
        assert cells[:2] == [2**62 + 1, day.to_pydatetime()]
    else:
        table = importlib.import_module("pyarrow.parquet").read_table(tmp_path / "out.parquet")
        assert table["id"].to_pylist() == [2**62 + 1, None]
        assert X["on"].tolist() == [day, pd.NaT]


def test_large_integers_beside_missing_ones_are_read_from_parquet(tmp_path):
    """They went through float64, which holds others in their place."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    codes = [2**60 + 1, None, 7, 2**60 + 3]
    table = {"a": codes, "b": [1, None, 2, 3], "y": list("pqpq")}
    parquet.write_table(pa.table(table), tmp_path / "in.parquet")
    X, y = load_table(tmp_path / "in.parquet", "y")
    assert X["a"].dropna().tolist() == [v for v in codes if v is not None]
    assert X["b"].dtype == float
    save_table(tmp_path / "out.parquet", X[::-1], y[::-1], target="y")
    written = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert written == {name: values[::-1] for name, values in table.items()}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_sparse_columns_are_written_as_others(suffix, tmp_path):
    X = pd.get_dummies(pd.Series(["a", "b"]), sparse=True, dtype=int)
    save_table(tmp_path / f"t{suffix}", X, [0, 1])
    assert load_table(tmp_path / f"t{suffix}")[0].to_dict("list") == {"a": [1, 0], "b": [0, 1]}


def test_integers_of_polars_stay_so_beside_missing_ones(tmp_path):
    polars = pytest.importorskip("polars")
    save_table(tmp_path / "t.csv", polars.DataFrame({"a": [None, 2**60 + 1]}), [0, 1])
    assert (tmp_path / "t.csv").read_text() == f"a,target\n,0\n{2**60 + 1},1\n"


def test_what_a_parquet_file_says_of_itself_stays(tmp_path):
    """Its metadata was dropped, and columns of pairs beside it could not be written."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pairs = pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8()))
    table = pa.table({"a": [1.0, 2.0], "y": ["p", "q"], "pairs": pairs})
    table = table.replace_schema_metadata({"owner": "us"})
    parquet.write_table(table, tmp_path / "in.parquet")
    X, y = load_table(tmp_path / "in.parquet", "y", keep="pairs")
    save_table(tmp_path / "out.parquet", X, y, target="y")
    written = parquet.read_table(tmp_path / "out.parquet")
    assert (written.schema.metadata, written.to_pylist()) == ({b"owner": b"us"}, table.to_pylist())


def test_lists_and_pairs_of_text_are_read(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pairs = pa.array([[("k", "v")], None], pa.map_(pa.string(), pa.string()))
    table = {"lists": [[{"u": ["x"]}], []], "pairs": pairs, "target": [0, 1]}
    parquet.write_table(pa.table(table), tmp_path / "t.parquet")
    X, _ = load_table(tmp_path / "t.parquet")
    assert X["lists"][0][0]["u"].tolist() == ["x"]
    assert X["pairs"][0] == [("k", "v")]


def test_an_index_of_parquet_is_named_or_kept(tmp_path):
    """It was dropped silently."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "in.parquet"
    pd.DataFrame({"a": [1, 2], "y": ["p", "q"]}, pd.Index(["x", "z"], name="id")).to_parquet(path)
    with pytest.warns(UserWarning, match="the index 'id' is left out"):
        load_table(path, "y")
    X, y = load_table(path, "y", keep=["id"])
    save_table(tmp_path / "out.parquet", X, y, target="y")
    assert pd.read_parquet(tmp_path / "out.parquet")["id"].tolist() == ["x", "z"]


def test_what_excel_has_not_is_text_or_refused(tmp_path):
    """Missing nullable values, times with a zone and periods raised errors without a column."""
    pytest.importorskip("openpyxl")
    X = pd.DataFrame(
        {
            "gap": pd.array([1, None], dtype="Int64"),
            "zone": pd.date_range("2020", periods=2, tz="UTC"),
            "month": pd.period_range("2020-01", periods=2, freq="M"),
        }
    )
    save_table(tmp_path / "t.xlsx", X, [0, 1])
    read, _ = load_table(tmp_path / "t.xlsx")
    assert read["month"].tolist() == ["2020-01", "2020-02"]
    assert read.isna().sum().tolist() == [1, 0, 0]
    with pytest.raises(ValueError, match="column 'month' holds a text with control"):
        save_table(tmp_path / "u.xlsx", X.assign(month="\1"), [0, 1])


def test_a_text_that_begins_like_a_formula_is_none_in_excel(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    save_table(tmp_path / "t.xlsx", pd.DataFrame({"a": ["=1+1", "b"]}), [0, 1])
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").active
    assert [cell.data_type for cell in sheet["A"]] == ["s", "s", "s"]


def test_a_frame_remembers_its_file_through_pandas(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("a,y\n1.50,p\n2.5,q\n")
    X, y = load_table(path, "y")
    if importlib.util.find_spec("pyarrow"):
        X.to_parquet(tmp_path / "x.parquet")
    X = pickle.loads(pickle.dumps(X))
    save_table(tmp_path / "out.csv", X.copy(), y, target="y")
    assert (tmp_path / "out.csv").read_text() == path.read_text()


def npz(method=zipfile.ZIP_DEFLATED, **members):
    """Return an npz file of arrays, or of the bytes of one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, member in members.items():
            if not isinstance(member, bytes):
                array = io.BytesIO()
                np.save(array, member)
                member = array.getvalue()
            # A ZipInfo has a fixed date: the bytes, and with them a test's name, stay the same.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member, method)
    return out.getvalue()


def declared(shape, descr="<f8"):
    """Return the header of an array, without its values."""
    out = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue()


def xlsx(cells, start=""):
    """Return the sheet of a workbook, with the columns a and target and one row before these."""
    head = "<row><c><v>1</v></c><c><v>2</v></c></row>"
    sheet = (
        f"{start}<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'>"
        f"<sheetData>{head}{head}{cells}</sheetData></worksheet>"
    )
    kind = "http://schemas.openxmlformats.org/"
    parts = {
        "[Content_Types].xml": f"<Types xmlns='{kind}package/2006/content-types'><Override "
        "PartName='/b' ContentType='application/vnd.openxmlformats-officedocument."
        "spreadsheetml.sheet.main+xml'/></Types>",
        "_rels/.rels": f"<Relationships xmlns='{kind}package/2006/relationships'><Relationship "
        f"Id='r' Type='{kind}officeDocument/2006/relationships/officeDocument' Target='b'/>"
        "</Relationships>",
        "_rels/b.rels": f"<Relationships xmlns='{kind}package/2006/relationships'><Relationship "
        f"Id='r' Type='{kind}officeDocument/2006/relationships/worksheet' Target='s'/>"
        "</Relationships>",
        "b": f"<workbook xmlns='{kind}spreadsheetml/2006/main' xmlns:r='{kind}officeDocument/2006/"
        "relationships'><sheets><sheet name='s' sheetId='1' r:id='r'/></sheets></workbook>",
        "s": sheet,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("t.npz", npz(X=declared((10**12,)), y=np.arange(4)), "declares an array"),
        ("t.npz", npz(X=declared((-1, 4)), y=np.arange(4)), "not a readable npz file"),
        ("t.npz", npz(X=np.zeros(10**8, np.uint8), y=np.arange(4)), "decompression bomb"),
        ("t.npz", npz(zipfile.ZIP_LZMA, X=np.eye(4), y=np.arange(4)), "another method"),
        ("t.csv.gz", gzip.compress(b"a,target\n" + bytes(10**8), mtime=0), "as a bomb does"),
        ("t.csv.gz", gzip.compress(b"a,target\n1,2\n" * 99, mtime=0)[:-20], "it is damaged"),
        ("t.xlsx", npz(X=np.zeros(10**8, np.uint8)), "as a bomb does"),
        ("t.xlsx", b"PK", "it is damaged, or no xlsx file"),
        ("t.xlsx", xlsx("<row><c><f>1+1</f></c></row>"), "row 3 has a formula without its value"),
        ("t.xlsx", xlsx("<row><c t='e'><v>#N/A</v></c></row>"), "an error of Excel, #N/A"),
        ("t.xlsx", xlsx("<row r='9'><c r='XFD9'><v>1</v></c></row>"), "row 9 has more cells"),
        ("t.xlsx", xlsx("<row r='99999999999'><c><v>1</v></c></row>"), "rows beyond number"),
        ("t.xlsx", xlsx("<row><c><v>Ursula</v></c></row>"), "it is damaged, or no xlsx file"),
        ("t.npz", npz(X=np.eye(4), y=declared((10**12,), "|S0")), "which are empty"),
        ("t.npz", npz(X=np.eye(4), y=declared((4,), "<U1") + b"\xff" * 16), "no characters"),
        (
            "t.npz",
            npz(X=np.eye(4), y=np.arange(4), synthetic=np.ones((4, 2), bool)),
            "marks of synthetic rows",
        ),
    ],
)
def test_files_that_declare_too_much_are_refused(name, data, match, tmp_path):
    if name == "t.xlsx":
        pytest.importorskip("openpyxl")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=match):
        load_table(tmp_path / name)


def test_a_parquet_of_few_bytes_and_many_rows_is_refused(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    zeros, text = pa.array(np.zeros(10**7)), pa.array(["x" * 10**6] * 200)
    columns = [zeros, text, pa.array([["x" * 10**6]] * 200)]
    for column in columns:
        table = pa.table({"a": column, "target": np.zeros(len(column))})
        parquet.write_table(table, tmp_path / "t.parquet")
        with pytest.raises(ValueError, match="as a bomb does"):
            load_table(tmp_path / "t.parquet")


def test_arrays_that_nobody_asked_for_are_not_read(tmp_path):
    data = npz(X=np.eye(4), y=np.array([b"a", b"b"] * 2), other=declared((10**12,)))
    (tmp_path / "t.npz").write_bytes(data)
    X, y = load_table(tmp_path / "t.npz")
    assert y.tolist() == ["a", "b", "a", "b"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(FileNotFoundError):
        load_table(tmp_path / "t.csv")
