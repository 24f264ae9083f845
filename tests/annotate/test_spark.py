import shutil

import pytest

from spacy_twitter_ner.annotate.annotator import annotate_batch
from spacy_twitter_ner.annotate.spark import annotate_dataframe, make_mapper

TEXTS = ["saw Drake in Chicago", None, "so tired", ""]


def test_mapper_of_pandas_frames(model: str) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"id": range(4), "body": TEXTS})
    (found,) = make_mapper(model, "body")(iter([frame]))
    expected = annotate_batch([text for text in TEXTS if text is not None], model)
    assert list(found.columns) == ["id", "body", "entities", "model", "version"]
    assert found["entities"][1] is None
    assert [each for each in found["entities"] if each is not None] == [
        record["entities"] for record in expected
    ]


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    builder = sql.SparkSession.builder.master("local[2]").appName("test")
    builder = builder.config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1")
    session = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    yield session
    session.stop()


# PySpark itself raises these warnings.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::UserWarning")
def test_annotate_dataframe(spark, model: str) -> None:
    frame = spark.createDataFrame(list(enumerate(TEXTS)), "id int, body string").repartition(2)
    annotated = annotate_dataframe(frame, model, text_column="body")
    rows = annotated.orderBy("id").collect()
    assert annotated.columns == ["id", "body", "entities", "model", "version"]
    expected = iter(annotate_batch([text for text in TEXTS if text is not None], model))
    for row, text in zip(rows, TEXTS, strict=True):
        if text is None:
            assert row.entities is None
            continue
        assert [entity.asDict() for entity in row.entities] == next(expected)["entities"]
    with pytest.raises(ValueError, match="no column 'text'; it has id, body"):
        annotate_dataframe(frame, model)
    with pytest.raises(ValueError, match="has a column 'entities' already"):
        annotate_dataframe(annotated, model, text_column="body")
