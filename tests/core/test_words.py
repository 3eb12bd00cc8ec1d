"""Figures of words, on a table of the test's own."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import words
from app.core.resources import Resources

SAYINGS = words.Words("sayings", "search", "length(search)", sampled=10_000)
OWNED = words.Words("sayings", "search", "length(search)", sampled=10_000, readers="readers")
ODD = "it's a \\ mark"


@pytest.fixture
async def db(resources: Resources) -> AsyncIterator[AsyncSession]:
    """With 7,000 sayings of one word, three of two, and one that has none; gone with the transaction."""
    async with resources.db.session() as db:
        await db.execute(text("CREATE TABLE sayings (search tsvector, readers text[])"))
        await db.execute(text("INSERT INTO sayings SELECT 'common'::tsvector FROM generate_series(1, 7000)"))
        rare = text("INSERT INTO sayings SELECT array_to_tsvector(ARRAY['rare', :odd]) FROM generate_series(1, 3)")
        await db.execute(rare, {"odd": ODD})
        await db.execute(text("INSERT INTO sayings VALUES (NULL)"))
        yield db
        await db.rollback()


async def test_terms_are_counted_up_to_a_most_whatever_signs_they_have(db: AsyncSession) -> None:
    asked = ["common", "rare", ODD, "unsaid"]
    counted = {"common": words.COUNTED_MOST, "rare": 3, ODD: 3}
    assert (await SAYINGS.of_terms(db, asked)).terms == counted
    await db.execute(text("ANALYZE sayings"))
    assert (await SAYINGS.of_terms(db, asked)).terms == counted
    assert (await SAYINGS.of_terms(db, [])).terms == {}


async def test_what_statistics_say_is_common_is_not_counted(db: AsyncSession) -> None:
    await db.execute(text("ANALYZE sayings"))
    await db.execute(text("DELETE FROM sayings"))
    assert (await SAYINGS.of_terms(db, ["common", "rare"])).terms == {"common": words.COUNTED_MOST}


async def test_few_rows_are_counted_and_many_estimated(db: AsyncSession) -> None:
    counted = (await SAYINGS.of_terms(db, ["rare"])).corpus
    assert counted.rows == 7003
    assert counted.mean_words == pytest.approx(7006 / 7003)
    await db.execute(text("ANALYZE sayings"))
    sampled = words.Words("sayings", "search", "length(search)", sampled=100)
    assert (await sampled.of_terms(db, ["rare"])).corpus == words.Corpus(7004, 1.0)


async def test_terms_of_several_configurations_come_once_each(db: AsyncSession) -> None:
    await db.execute(text("INSERT INTO sayings VALUES (to_tsvector('simple', 'The printers print'))"))
    found = await SAYINGS.of_query(db, "The printers print", ["english", "simple"])
    assert found.terms == {"the": 1, "printers": 1, "print": 1}
    assert (await SAYINGS.of_query(db, "The", ["english"])).terms == {}


async def test_of_very_many_rows_the_first_tell_how_common_a_term_is(db: AsyncSession) -> None:
    await db.execute(
        text(
            "INSERT INTO sayings SELECT CASE WHEN n % 40 = 0 THEN 'now'::tsvector WHEN n % 200 = 1 "
            "THEN 'seldom'::tsvector ELSE 'common'::tsvector END FROM generate_series(1, 60000) AS n"
        )
    )
    await db.execute(text("ANALYZE sayings"))
    found = await SAYINGS.of_terms(db, ["common", "now", "seldom", "rare"])
    assert found.terms == {"common": words.COUNTED_MOST, "now": found.terms["now"], "seldom": 300, "rare": 3}
    # It is in 1,500, none of them at the table's beginning.
    assert 1_000 < found.terms["now"] < 2_000


async def test_of_a_rare_term_only_rows_that_the_asker_may_see_are_counted(db: AsyncSession) -> None:
    await db.execute(text("UPDATE sayings SET readers = ARRAY['role:agent']"))
    await db.execute(text("INSERT INTO sayings VALUES ('rare', ARRAY['public'])"))
    asked = ["common", "rare", ODD]
    assert (await OWNED.of_terms(db, asked, readers=["public", "user:1"])).terms == {
        "common": words.COUNTED_MOST,
        "rare": 1,
    }
    assert (await OWNED.of_terms(db, asked)).terms == {"common": words.COUNTED_MOST, "rare": 4, ODD: 3}
    assert (await OWNED.of_query(db, "rare", ["simple"], readers=[])).terms == {}
