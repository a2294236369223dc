"""What S3 does beyond saying yes or no, against every provider."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from contract.s3.behaviours import Behaviour, Lake
from contract.s3.world import World

pytestmark = pytest.mark.contract


def test_s3_behaves_as_aws_documents_it(
    world: World, behaviour: Behaviour, results: dict[str, dict[str, str]]
) -> None:
    told = results[world.provider]
    told[behaviour.id] = "wrong"
    try:
        behaviour.check(Lake(world), world.key("behaviour/*").removesuffix("/data.csv"), world)
    except (AssertionError, ClientError) as error:
        if not behaviour.observed:
            raise
        told[behaviour.id] = f"differs: {error}".splitlines()[0]
    else:
        told[behaviour.id] = "right"


@pytest.mark.row("refused-condition")
def test_a_refused_write_names_its_condition(world: World) -> None:
    """AWS does this and documents it nowhere; s3fs tells an exclusive create that lost by it."""
    lake = Lake(world)
    lake.put_object(Key="named-condition", Body=b"first")
    with pytest.raises(ClientError) as told:
        lake.put_object(Key="named-condition", Body=b"second", IfNoneMatch="*")
    assert told.value.response["Error"]["Condition"] == "If-None-Match"
