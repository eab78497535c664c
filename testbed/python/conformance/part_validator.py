"""The validator itself: answers with one thing wrong must not pass it."""

import copy

import model
from checks import expect
from world import World

GOOD = {
    "keyPair": {
        "name": "pair",
        "arn": "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/0a1b",
        "createdAt": 1.5,
        "location": {"availabilityZone": "all", "regionName": "eu-west-1"},
        "resourceType": "KeyPair",
        "tags": [{"key": "a"}],
    }
}
ERROR = {
    "__type": "NotFoundException",
    "code": "DoesNotExist",
    "docs": "",
    "message": "",
    "tip": "",
}


def wrong_answers(world: World) -> None:
    service = world.lightsail.meta.service_model
    operation = service.operation_model("GetKeyPair")

    def passes(
        change: object, status: int = 200, good: dict = GOOD, headers: dict | None = None
    ) -> bool:
        answer = copy.deepcopy(good)
        change(answer)
        try:
            if status == 200:
                model.check_value(operation.output_shape, answer, "GetKeyPair")
            else:
                model.check_error(operation, status, headers or {}, answer)
        except model.Violation:
            return False
        return True

    expect("a good answer", passes(lambda answer: None), True)
    for change in (
        lambda answer: answer.update(keypair={}),
        lambda answer: answer["keyPair"].update(fingerPrint="x"),
        lambda answer: answer["keyPair"].update(createdAt="now"),
        lambda answer: answer["keyPair"].update(createdAt=True),
        lambda answer: answer["keyPair"].update(name=None),
        lambda answer: answer["keyPair"].update(name="a b"),
        lambda answer: answer["keyPair"].update(arn=""),
        lambda answer: answer["keyPair"].update(resourceType="Keypair"),
        lambda answer: answer["keyPair"]["location"].update(regionName="eu-nowhere-1"),
        lambda answer: answer["keyPair"].update(tags={"a": "b"}),
        lambda answer: answer["keyPair"]["tags"].append({"Key": "b"}),
    ):
        expect("a wrong answer", passes(change), False)
    expect("a good error", passes(lambda error: None, 400, ERROR), True)
    for status, change in (
        (500, lambda error: None),
        (400, lambda error: error.update(__type="KeyPairNotFoundException")),
        (400, lambda error: error.pop("__type")),
        (400, lambda error: error.pop("tip")),
        (400, lambda error: error.update(Message="")),
        (400, lambda error: error.update(message=1)),
    ):
        expect("a wrong error", passes(change, status, ERROR), False)
    expect(
        "another header",
        passes(lambda error: None, 400, ERROR, {"x-amzn-errortype": "ServiceException"}),
        False,
    )


PARTS = (wrong_answers,)
