# What quickstart, run-tests and .ci/run share: the one list of Debian packages, and steps that are silent unless they fail.
# Sourced from the root of the project, after `set -u`.
# shellcheck shell=bash

declare -A packages=(
	[build]="gcc libc6-dev meson ninja-build pkgconf libbsd-dev libcap-ng-dev libevent-dev libinih-dev libjansson-dev libmnl-dev
		libnftnl-dev libnl-3-dev libnl-route-3-dev libsqlite3-dev libsystemd-dev check"
	[demo]="curl iproute2 python3"
	[test]="conntrack curl iproute2 iptables iputils-ping jq mmdebstrap nftables procps python3-pytest python3-pytest-xdist
		socat sqlite3 strace systemd-container util-linux"
	[ci]="clang clang-format libclang-rt-dev shellcheck"
)

say() {
	printf '%s\n' "$*"
}

# fail SENTENCE: what could not be done, and what to do next
fail() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# step COMMAND...: its output only where it fails, after the command that failed
step() {
	local output status=0
	output=$("$@" 2>&1 </dev/null) || status=$?
	[ "$status" = 0 ] && return
	printf '$ %s\n%s\n' "$*" "$output" >&2
	fail "this command failed with status $status"
}

installed() {
	[ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_missing GROUP...: nothing to do takes no time, and no right
install_missing() {
	local group package missing=()
	command -v apt-get >/dev/null || fail "this needs Debian's apt-get; the packages it would install stand in tools/common.bash"
	for group; do
		for package in ${packages[$group]}; do
			[[ " ${missing[*]} " == *" $package "* ]] || installed "$package" || missing+=("$package")
		done
	done
	if [ "${#missing[@]}" = 0 ]; then
		say "packages: all are there"
		return
	fi
	[ "$(id -u)" = 0 ] || fail "packages are missing; as root: apt-get install ${missing[*]}"
	say "packages: installing ${missing[*]}"
	step apt-get -qq update
	step env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}"
}

# Who called sudo owns what was built, so that the next build needs no root.
give_back() {
	[ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$1"
}

# build DIRECTORY TARGETS [SETUP OPTION...]: TARGETS is 'netd netd-ctl', or '' for everything
build() {
	local directory=$1 targets=$2 clock=$SECONDS
	shift 2
	if ! [ -e "$directory/build.ninja" ]; then
		rm -rf "$directory"
		step meson setup "$directory" "$@"
	fi
	# shellcheck disable=SC2086 # several words on purpose
	step meson compile -C "$directory" $targets
	give_back "$directory"
	say "build: $directory is up to date ($((SECONDS - clock)) s)"
}
