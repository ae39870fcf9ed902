# What has to be done on a machine after netd's files were copied to it, and before they are removed. Sourced, after
# tools/common.bash; every command that changes the machine is printed.
# shellcheck shell=bash

shown() {
	say "$ $*"
	"$@" || fail "this command failed with status $?"
}

start_installed() {
	local before
	before=$(systemctl is-active netd.service)
	shown systemd-sysusers netd.conf
	shown systemd-tmpfiles --create netd.conf
	shown systemctl daemon-reload
	shown systemctl enable --now netd.socket netd.service
	# an older version that ran
	[ "$before" != active ] || shown systemctl restart netd.service
}

# empty_directories PREFIX DIRECTORY...: removes those that nothing is left in, but not PREFIX/lib and its like
empty_directories() {
	local prefix=$1 directory
	shift
	for directory; do
		while [[ $directory == "$prefix"/*/* ]] && rmdir "$directory" 2>/dev/null; do
			directory=${directory%/*}
		done
	done
}

# remove_installed <LIST: the list has the path of each installed file, one on a line
remove_installed() {
	local file files=() netd=''
	while read -r file; do
		[ "${file##*/}" != netd ] || ! [ -x "$file" ] || [ -d "$file" ] || netd=$file
		files+=("$file")
	done
	[ -n "$netd" ] || fail "netd is not installed on this machine (${files[0]:-no file} is missing)"
	shown systemctl stop 'netd-ns@*.service'
	shown systemctl disable --now netd.socket netd.service
	shown "$netd" --cleanup --purge
	shown rm -f "${files[@]}"
	empty_directories "${netd%/sbin/netd}" "${files[@]%/*}"
	shown rm -rf /run/netd /var/lib/netd
	shown systemctl daemon-reload
	! getent group netd >/dev/null || shown groupdel netd
}
