"""``mpforge release``: upload the recorded wheels and sdist to a package index; builds nothing."""

import argparse
import sys
from pathlib import Path

from mpforge.cli.options import tell_doubts, workspace_of, write_json
from mpforge.engine.dist import Dist
from mpforge.engine.load_index import content, text_of
from mpforge.engine.load_plan import compiled
from mpforge.errors import ExitCode
from mpforge.obtain.packages.package_index import without_credentials
from mpforge.release.collected import collect
from mpforge.release.destination import PYPI_UPLOAD, Destination, destination
from mpforge.release.file_checks import check
from mpforge.release.release_set import places, release_set
from mpforge.release.upload import Upload, upload
from mpforge.reports.console import size
from mpforge.workspace import Workspace

DESCRIPTION = (
    "Upload the wheels and the sdist that dist/mpforge.json records to a package index. Builds nothing. "
    "If an upload was interrupted, run it again to continue."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything and say what would be uploaded"
    )
    parser.add_argument(
        "--allow-untested",
        action="store_true",
        help="also upload wheels whose tests have not run, or were only checked",
    )
    parser.add_argument(
        "--publish-url", metavar="URL", help="where to upload (default: [release] index, else PyPI)"
    )
    parser.add_argument(
        "--check-url", metavar="URL", help="where that index lists its files, as for pip install -i"
    )
    parser.add_argument(
        "--token", metavar="NAME", help="the variable that holds the token: its name, not the token"
    )
    parser.add_argument(
        "--from",
        dest="collected",
        type=Path,
        nargs="+",
        default=(),
        metavar="DIRECTORY",
        help="first collect the files from these dist/ directories, such as those of CI jobs",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Check the set, then upload what the index lacks."""
    workspace = workspace_of(arguments)
    tell_doubts(workspace)
    target = _destination(arguments, workspace)
    dist = Dist(workspace.dist, workspace.shared_state, workspace.spec.name)
    collect(dist, arguments.collected)
    made = release_set(compiled(workspace), workspace)
    made.require(workspace, allow_untested=arguments.allow_untested)
    files = places(made, workspace.dist)
    for warning in check(files, public=target.upload == PYPI_UPLOAD):
        sys.stderr.write(f"mpforge > warning: {warning}\n")
    for fault in made.faults:  # allowed ones
        sys.stderr.write(f"mpforge > warning: {fault.session}: {fault.what}\n")
    for path in made.others:
        sys.stderr.write(
            f"mpforge > dist/{path} is neither a wheel nor an sdist, and is not uploaded\n"
        )
    project = files[0].name.partition("-")[0]

    def tell(done: Upload) -> None:
        if not arguments.json:
            sys.stdout.write(f"{done.state}: {done.file.name} ({size(done.size)})\n")
            sys.stdout.flush()

    uploads = upload(files, target, project, dry=arguments.dry_run, tell=tell)
    _sum_up(uploads, target, arguments)
    return ExitCode.DONE


def _destination(arguments: argparse.Namespace, workspace: Workspace) -> Destination:
    """Return where to upload: as the command line says, else the spec, else PyPI. Raises ``SpecInvalid``."""
    from mpforge.spec.load import load_spec

    spec = load_spec(text_of(content(workspace), workspace), file=workspace.spec.name)
    given = spec.release
    url, names = (
        arguments.publish_url,
        given.credentials if given and not arguments.publish_url else None,
    )
    if arguments.token is not None:
        user, password = None, arguments.token
    else:
        user, password = (names.username, names.password) if names else (None, None)
    own = given if given and not url else None
    return destination(
        upload=url or (own.index if own else None),
        index=arguments.check_url or (own.check_url if own else None),
        username=user,
        password=password,
    )


def _sum_up(uploads: list[Upload], target: Destination, arguments: argparse.Namespace) -> None:
    index = without_credentials(target.upload)
    if arguments.json:
        rows = [
            {"path": one.file.name, "sha256": one.sha256, "size": one.size, "state": one.state}
            for one in uploads
        ]
        write_json({"index": index, "files": rows})
        return
    counts = [
        (word, sum(one.state == word for one in uploads))
        for word in ("uploaded", "would upload", "there already")
    ]
    told = ", ".join(f"{count} {word}" for word, count in counts if count)
    sys.stdout.write(f"{index}: {told}\n")
