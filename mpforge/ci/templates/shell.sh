%% namespaces
# Ubuntu 24.04 denies user namespaces to programs without an AppArmor profile, and mpforge isolates with them.
setting=kernel.apparmor_restrict_unprivileged_userns
if [ -e "/proc/sys/${setting//.//}" ]; then sudo sysctl -w "$setting=0"; fi
%% check
mpforge check@spec@
mpforge ci@spec@ --check
mpforge plan@spec@
%% keep
trap 'mkdir -p .mpforge/incoming/@name@ dist; cp -a dist/. .mpforge/incoming/@name@/' EXIT
%% run-build
@keep@
mpforge run@spec@ @sessions@
%% run-test
mkdir -p dist; cp -a .mpforge/incoming/build-@target@/. dist/
@keep@
mpforge run@spec@ @sessions@
