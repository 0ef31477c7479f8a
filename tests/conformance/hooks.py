"""What schemathesis has to know about Cycles; loaded by `cargo xtask test contract`.

The contract is patched here, as it is loaded, and not in its file: with the exceptions that this
repository grants itself, and with rules that only the contract's prose states.
"""

import atexit
import collections
import itertools
import json
import os
import pathlib

import requests
import schemathesis

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

TENANT = "acme"
LEVELS = ("tenant", "workspace", "app", "workflow", "agent", "toolset")
WINDOWS = (("from", "to"), ("expires_from", "expires_to"), ("finalized_from", "finalized_to"))
# Subject, CHARSET: servers may reject everything else, and this one does.
LEVEL = {"minLength": 1, "maxLength": 128, "pattern": "^[a-zA-Z0-9_.-]+$"}
INT64_MAX = 2**63 - 1
# Which of the contract's keys this run has.
SCHEME = os.environ["CYCLES_SCHEME"]

exceptions = tomllib.loads(pathlib.Path(__file__).with_name("exceptions.toml").read_text())
numbers = itertools.count()
# Reservations that exist, and the unit that each was made in.
reservations: dict[str, str] = {}
# How often each operation was answered with each status.
answers: collections.Counter[str] = collections.Counter()


def prepare():
    """Reservations in several states, so that settling does not only ever see 404."""
    session = requests.Session()
    session.headers["X-Cycles-API-Key"] = os.environ["CYCLES_API_KEY"]
    url = os.environ["CYCLES_BASE_URL"] + "/v1/reservations"

    def post(path, **body):
        body["idempotency_key"] = f"prepared-{next(numbers)}"
        answer = session.post(url + path, json=body, timeout=20)
        answer.raise_for_status()
        return answer.json()

    for index in range(60):
        amount = {"unit": "TOKENS", "amount": 10}
        action = {"kind": "llm.completion", "name": "prepared"}
        made = post("", subject={"tenant": TENANT}, action=action, estimate=amount, ttl_ms=600_000)
        name = made["reservation_id"]
        reservations[name] = "TOKENS"
        if index % 10 == 0:
            post(f"/{name}/commit", actual=amount)
        elif index % 10 == 5:
            post(f"/{name}/release")


@schemathesis.hook
def before_load_schema(context, raw_schema):
    prepare()
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and "operationId" in operation:
                allow_exceptions(operation)
                narrow_parameters(operation)
                use_key(operation)
    subject = raw_schema["components"]["schemas"]["Subject"]["properties"]
    for level in LEVELS:
        subject[level].update(LEVEL)
    # AUTH & TENANCY: any other tenant is 403, which would be all there is to see.
    subject["tenant"]["enum"] = [TENANT]
    # Integers are int64 throughout, also where the contract does not repeat it (StandardMetrics).
    bound_integers(raw_schema["components"]["schemas"])


def allow_exceptions(operation):
    for exception in exceptions["status"]:
        operations = exception.get("operations")
        if operations is None or operation["operationId"] in operations:
            refusal = {"$ref": "#/components/responses/ErrorResponse"}
            operation["responses"].setdefault(str(exception["status"]), refusal)


def narrow_parameters(operation):
    for parameter in operation.get("parameters", []):
        if parameter.get("name") in LEVELS:
            # A blank filter is none.
            parameter["schema"].update(LEVEL, minLength=0, pattern="^[a-zA-Z0-9_.-]*$")
        if parameter.get("name") == "tenant":
            parameter["schema"]["enum"] = [TENANT]
            # listReservations, tenant: the operator has to name one.
            parameter["required"] = SCHEME == "AdminKeyAuth"
        if parameter.get("schema", {}).get("format") == "date-time":
            # listReservations: a blank bound counts as unset.
            parameter["schema"] = {"anyOf": [{"const": ""}, parameter["schema"]]}


def use_key(operation):
    """One kind of key a run: beside the operator's, a wrong key of a tenant is rightly ignored."""
    if operation.get("security") != []:
        operation["security"] = [{SCHEME: []}]


def bound_integers(node):
    if isinstance(node, dict):
        if node.get("type") == "integer":
            node.setdefault("maximum", INT64_MAX)
        for child in node.values():
            bound_integers(child)
    elif isinstance(node, list):
        for child in node:
            bound_integers(child)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes what the schema allows also follow the prose, so that it must be accepted."""
    if case.meta is not None and not case.meta.generation.mode.is_positive:
        return
    case.body = whole(case.body)
    if "reservation_id" in (case.path_parameters or {}):
        name_reservation(case)
    if case.operation.definition.raw["operationId"] == "getBalances":
        # SUBJECT FILTER REQUIREMENT: one of the levels, which a schema cannot say.
        if not any((case.query or {}).get(level) for level in LEVELS):
            case.query["tenant"] = TENANT
    if case.query:
        case.query.pop("cursor", None)  # opaque: only the server makes them
        for start, end in WINDOWS:
            if start in case.query:
                case.query.pop(end, None)  # no window ends before it starts
    if isinstance(case.body, dict) and "idempotency_key" in case.body:
        name_key(case)
        leave_budget(case.body)


def whole(value):
    """For JSON Schema 1.0 is an integer; the server reads amounts exactly, and refuses it."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value


def name_reservation(case):
    """Three times in four one that exists, unless a link named one already."""
    name = case.path_parameters["reservation_id"]
    if name not in reservations and next(numbers) % 4:
        name = list(reservations)[next(numbers) % len(reservations)]
        case.path_parameters["reservation_id"] = name
    # ERROR SEMANTICS, unit mismatch (b): the actual is in the reservation's unit.
    if name in reservations and isinstance(case.body, dict) and "actual" in case.body:
        case.body["actual"]["unit"] = reservations[name]


def name_key(case):
    """Three times in four a new key, for generators like to send the same few; IDEMPOTENCY: the
    header's equals the body's."""
    if next(numbers) % 4:
        case.body["idempotency_key"] = f"key-{next(numbers)}"
    if case.headers:
        case.headers.pop("X-Idempotency-Key", None)
        if next(numbers) % 2 and case.body["idempotency_key"].startswith("key-"):
            case.headers["X-Idempotency-Key"] = case.body["idempotency_key"]


def leave_budget(body):
    """Three times in four a small amount: one of 2**62 leaves nothing for the requests after it."""
    amount = body.get("estimate") or body.get("actual")
    if amount and next(numbers) % 4:
        amount["amount"] %= 1_000_000


@schemathesis.hook
def after_call(context, case, response):
    operation = case.operation.definition.raw["operationId"]
    answers[f"{operation} {response.status_code}"] += 1
    if operation == "createReservation" and response.status_code == 200:
        answer = json.loads(response.content)
        if answer.get("reservation_id"):
            reservations[answer["reservation_id"]] = case.body["estimate"]["unit"]


@atexit.register
def leave_answers():
    pathlib.Path(os.environ["CYCLES_ANSWERS"]).write_text(json.dumps(answers))
