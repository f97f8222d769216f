#!/bin/bash
# Runs the file that `mpforge ci gitlab` writes on this machine, with gitlab-ci-local and the mpforge of PATH.
#
#   scripts/run_gitlab_file.sh DIRECTORY [TOOLS]
#
# DIRECTORY gets gitlab-ci-local (from npm, with Node.js 22) and a small project; TOOLS is a cache's tools/
# directory, which spares downloads. Shown are a first run, a second one, which builds nothing, and one with a
# failing test, which fails its job only. Needs npm, rsync, git and a host that mpforge builds on.
set -eu
for program in npm rsync git mpforge; do
    command -v "$program" >/dev/null || { echo "$0: $program is not on PATH" >&2; exit 1; }
done
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"; cd "$1"; top=$PWD; tools=${2:-}

[ -e node_modules/.bin/gitlab-ci-local ] ||
    npm install --silent --no-audit --no-fund node@22 gitlab-ci-local@4.75

rm -rf project; cp -r "$here/examples/hello-ext" project; cd project
cat > multiplatform.toml <<'EOF'
schema = 1

[project]
python = ["cp311"]
targets = ["x86_64", "aarch64"]

[test]
command = ["{python} -c 'import mpforge_hello'", "test {arch} != nothing"]
EOF
printf 'dist/\n.mpforge-cache/\n.gitlab-ci-local/\n' > .gitignore
export MPFORGE_CACHE=$top/cache; mkdir -p "$MPFORGE_CACHE"
[ -z "$tools" ] || ln -sfn "$tools" "$MPFORGE_CACHE/tools"
mpforge lock > lock.log
mpforge ci gitlab
# Steps of one's own: they survive when the file is written again.
sed -i "s,# own: \(build\|test\) steps,&\n    - mkdir -p .mpforge-cache; ln -sfn $MPFORGE_CACHE/tools .mpforge-cache/tools," .gitlab-ci.yml
mpforge ci gitlab
git init -q -b main; git remote add origin https://gitlab.com/me/project.git
commit() { git add -A; git -c user.name=me -c user.email=me@example.com commit -qm "$1"; }
run() {
    echo "--- $1"
    env -u MPFORGE_CACHE HOME="$top" PATH="$top/node_modules/.bin:$PATH" \
        gitlab-ci-local --force-shell-executor --shell-isolation > "../$2.log" 2>&1 || true
    sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g' "../$2.log" |
        grep -E 'mpforge > [0-9]+ (built|tested)|^ (PASS|FAIL|WARN)|cached: ' || true
}
commit first; run "the first run" first
run "the second run: nothing is built" second
sed -i 's/!= nothing/!= aarch64/' multiplatform.toml
commit failing; run "the test fails on aarch64 only" third
ls .gitlab-ci-local/artifacts/*/.mpforge/incoming/*/*.whl
