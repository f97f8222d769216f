"""`mpforge release`: which files it takes, and what it refuses, without an upload."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mpforge.obtain.packages.index_pages import Account, Offer
from mpforge.processes import Captured
from mpforge.release import upload
from mpforge.store.files import hash_file
from tests.integration.checkout import Checkout
from tests.released import METADATA, publish, sdist, wheel

BUILD, TEST = "build-aarch64-cp311", "test-aarch64-cp311"
TO = ("--publish-url", "http://127.0.0.1:1/", "--check-url", "http://127.0.0.1:1/simple/")
TAG = "cp311-cp311-manylinux_2_17_aarch64"
REFUSED = """\
Publishing 1 file
error: Failed to publish `x.whl` to `http://127.0.0.1:1/`
  cause: Server returned status code {status}. Server says:
             <!DOCTYPE html><html><head><title>t</title><style>p {{ color: red }}</style></head>
             <body><p>{said}</p> token-value</body></html>
"""


class Index:
    """What an index has, by name; it takes files until ``fails`` says otherwise."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.calls: list[Sequence[str]] = []
        self.variables: dict[str, str] = {}
        self.fails: Callable[[str], str] = lambda _name: ""

    def offers(
        self, index: str, name: str, account: Account | None, *, own: bool
    ) -> tuple[Offer, ...]:
        assert own
        return tuple(Offer(file, "", digest) for file, digest in self.files.items())

    def uv(self, words: Sequence[str], *, extra: dict[str, str], read_seconds: int) -> Captured:
        self.calls.append(words)
        self.variables = extra
        (file,) = [Path(word) for word in words if word.endswith((".whl", ".gz"))]
        error = self.fails(file.name)
        if not error:
            self.files[file.name] = hash_file(file).digest
        return Captured(2 if error else 0, "", error)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    """The index that is asked, without a network; what its uploads are is tested end to end."""
    made = Index()
    monkeypatch.setattr(upload, "offers", made.offers)
    monkeypatch.setattr(upload, "uv", made.uv)
    return made


def test_wheels_come_first_and_a_second_call_uploads_nothing(
    checkout: Checkout, index: Index
) -> None:
    paths = publish(checkout)
    done = checkout.mpforge("release", *TO)
    assert done.code == 0, done.output
    assert [Path(words[-1]) for words in index.calls] == [paths[BUILD], paths["sdist"]]
    assert "http://127.0.0.1:1/: 2 uploaded" in done.output
    again = checkout.json("release", "--json", *TO)
    assert [file["state"] for file in again["files"]] == ["there already"] * 2
    assert len(index.calls) == 2


def test_an_attestation_beside_a_file_goes_with_it(checkout: Checkout, index: Index) -> None:
    paths = publish(checkout)
    beside = paths[BUILD].with_name(f"{paths[BUILD].name}.publish.attestation")
    beside.write_text("{}")
    assert checkout.mpforge("release", *TO).code == 0
    assert index.calls[0][-2:] == [str(paths[BUILD]), str(beside)]
    assert index.calls[1][-1] == str(paths["sdist"])


def test_a_dry_run_uploads_nothing(checkout: Checkout, index: Index) -> None:
    paths = publish(checkout)
    done = checkout.mpforge("release", "--dry-run", *TO)
    assert done.code == 0, done.output
    assert f"would upload: {paths[BUILD].name}" in done.output
    assert index.calls == []


def test_a_broken_upload_is_continued(checkout: Checkout, index: Index) -> None:
    paths = publish(checkout)
    index.fails = lambda name: "error: dns error" if name.endswith(".tar.gz") else ""
    done = checkout.mpforge("release", *TO)
    assert done.code == 1
    assert (
        f"upload-failed: http://127.0.0.1:1/ did not accept {paths['sdist'].name}; " in done.output
    )
    assert f"uploaded before it: {paths[BUILD].name}" in done.output
    assert "run the same command again" in done.output
    index.fails = lambda _name: ""
    done = checkout.mpforge("release", *TO)
    assert done.code == 0
    assert "1 uploaded, 1 there already" in done.output


def test_another_file_of_the_name_is_refused_before_anything_is_uploaded(
    checkout: Checkout, index: Index
) -> None:
    paths = publish(checkout)
    index.files[paths["sdist"].name] = "0" * 64
    done = checkout.mpforge("release", *TO)
    assert done.code == 1
    assert "upload-conflict: " in done.output
    assert paths["sdist"].name in done.output
    assert index.calls == []


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        ("403 Forbidden", "Invalid authentication", "check that the token"),
        ("400 Bad Request", "File already exists", "release another version"),
        ("409 Conflict", "taken", "release another version"),
        ("400 Bad Request", "unknown license", "fix what the index reports"),
        ("500 Oh", "later", "run the same command again"),
    ],
)
def test_what_an_index_answers_is_said_without_its_html_and_without_secrets(
    checkout: Checkout, index: Index, status: str, said: str, told: str
) -> None:
    publish(checkout)
    index.fails = lambda _name: REFUSED.format(status=status, said=said)
    checkout.variables["INDEX_TOKEN"] = "token-value"
    done = checkout.mpforge("release", "--token", "INDEX_TOKEN", *TO)
    assert done.code == 1
    assert status in done.output
    assert said in done.output
    assert told in done.output
    assert "color" not in done.output
    assert "<" not in done.output
    assert "token-value" not in done.output
    assert index.variables == {"UV_PUBLISH_TOKEN": "token-value"}
    assert "token-value" not in json.dumps(index.calls)


# --- what is refused ------------------------------------------------------------------------------


def _edit_source(checkout: Checkout) -> None:
    checkout.write("tiny/more.py", "")


def _remove(checkout: Checkout) -> None:
    next(checkout.dist.glob("*.whl")).unlink()


def _change(checkout: Checkout) -> None:
    next(checkout.dist.glob("*.whl")).write_bytes(b"x")


def _options(checkout: Checkout) -> None:
    checkout.edit("multiplatform.toml", "environment = {}", 'environment = { A = "1" }')


def _more(checkout: Checkout) -> None:
    checkout.edit("multiplatform.toml", '["cp311"]', '["cp311", "cp312"]')


def _record(checkout: Checkout, change: Callable[[dict[str, Any]], None]) -> None:
    place = checkout.dist / "mpforge.json"
    record = json.loads(place.read_text())
    for file in record["files"]:
        change(file)
    place.write_text(json.dumps(record))


def _two_sources(checkout: Checkout) -> None:
    _record(checkout, lambda file: file.update(source=file["digest"]))


@pytest.mark.parametrize(
    ("change", "session", "told"),
    [
        (_edit_source, BUILD, "was made from another state of the source"),
        (_edit_source, "sdist", "was made from another state of the source"),
        (_two_sources, BUILD, "was made from another state of the source"),
        (_remove, BUILD, "is missing"),
        (_change, BUILD, "was changed since it was built"),
        (_options, BUILD, "was made with other options"),
        (_more, "build-aarch64-cp312", "it has no file in dist/"),
    ],
)
def test_what_is_not_the_plan_s_set_is_named_with_the_session_that_mends_it(
    checkout: Checkout,
    index: Index,
    change: Callable[[Checkout], None],
    session: str,
    told: str,
) -> None:
    publish(checkout)
    change(checkout)
    done = checkout.mpforge("release", "--allow-untested", *TO)
    assert done.code == 1
    assert (
        "release-incomplete: dist/ does not match what multiplatform.toml asks to release"
        in done.output
    )
    (line,) = [ln for ln in done.output.splitlines() if ln.startswith(f"  {session}: ")]
    assert told in line
    assert session in done.output.splitlines()[-1]
    assert index.calls == []


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        ({}, "its tests have not run, or failed"),
        ({TEST: {"level": "static", "checked": "2026"}}, "none of its tests have run"),
    ],
)
@pytest.mark.usefixtures("index")
def test_untested_wheels_need_a_switch(
    checkout: Checkout, tests: dict[str, Any], told: str
) -> None:
    publish(checkout)
    _record(checkout, lambda file: file.update(tests=tests))
    done = checkout.mpforge("release", *TO)
    assert done.code == 1
    assert told in done.output
    assert f"-> mpforge run {TEST}; or `mpforge release --allow-untested`" in done.output
    done = checkout.mpforge("release", "--allow-untested", *TO)
    assert done.code == 0
    assert told in done.output


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (METADATA.replace("1.0\n", "1.1\n"), "its metadata says tiny 1.1"),
        (METADATA + "Requires-Python: three\n", "metadata: requires-python: "),
        (METADATA + "Description-Content-Type: text/odd\n", "metadata: description-content-type: "),
        (METADATA.replace("Name: tiny\n", ""), "metadata: name: "),
    ],
)
def test_metadata_that_no_index_takes_is_refused(
    checkout: Checkout, index: Index, metadata: str, told: str
) -> None:
    paths = publish(checkout)
    paths[BUILD].write_bytes(wheel(TAG, metadata))
    paths["sdist"].write_bytes(sdist(metadata))
    digests = {path.name: hash_file(path).digest for path in paths.values()}
    _record(checkout, lambda file: file.update(digest=digests[file["path"]]))
    done = checkout.mpforge("release", *TO)
    assert done.code == 1
    assert "release-rejected: " in done.output
    assert f"  {paths[BUILD].name}: {told}" in done.output
    assert f"  {paths['sdist'].name}: {told}" in done.output
    assert index.calls == []


# --- where to -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--token", "pypi-AgEIsecret"), 2, "is not the name of a variable"),
        (("--token", "UNSET_TOKEN"), 4, "needs the variable UNSET_TOKEN, which is not set"),
        (
            ("--publish-url", "http://127.0.0.1:1/"),
            2,
            "mpforge does not know where http://127.0.0.1:1/ lists",
        ),
        (("--publish-url", "http://me:AgEIsecret@127.0.0.1:1/"), 2, "has no credentials"),
        (("--publish-url", "dist.example"), 2, "begins with http:// or https://"),
    ],
)
def test_a_wrong_destination_is_said_and_no_secret_is(
    checkout: Checkout, index: Index, words: tuple[str, ...], code: int, told: str
) -> None:
    publish(checkout)
    done = checkout.mpforge("release", *words)
    assert done.code == code
    assert told in done.output
    assert "AgEIsecret" not in done.output
    assert index.calls == []


def test_the_spec_names_the_index_and_the_variables(checkout: Checkout, index: Index) -> None:
    text = '\n[release]\nindex = "http://127.0.0.1:2/"\ncheck-url = "http://127.0.0.1:2/simple/"\n'
    text += 'credentials = { username = "WHO", password = "WORD" }\n'
    spec = checkout.root / "multiplatform.toml"
    spec.write_text(spec.read_text() + text)
    publish(checkout)
    checkout.variables |= {"WHO": "me", "WORD": "secret"}
    assert checkout.mpforge("release").code == 0
    assert index.calls[0][:3] == ["publish", "--publish-url", "http://127.0.0.1:2/"]
    assert index.variables == {"UV_PUBLISH_USERNAME": "me", "UV_PUBLISH_PASSWORD": "secret"}


@pytest.mark.parametrize(
    ("variables", "trusted"),
    [({"ACTIONS_ID_TOKEN_REQUEST_URL": "http://x"}, "always"), ({}, "never")],
)
def test_a_ci_job_s_identity_is_used_only_without_credentials(
    checkout: Checkout, index: Index, variables: dict[str, str], trusted: str
) -> None:
    publish(checkout)
    checkout.variables |= variables
    assert checkout.mpforge("release", *TO).code == 0
    assert index.calls[0][3:5] == ["--trusted-publishing", trusted]
    index.files.clear()
    checkout.variables["UV_PUBLISH_TOKEN"] = "secret"
    assert checkout.mpforge("release", *TO).code == 0
    assert index.calls[-1][3:5] == ["--trusted-publishing", "never"]
