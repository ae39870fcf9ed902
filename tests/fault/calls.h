/* clang-format off */
/*
 * Every outside call of netd that is made to fail, once: its symbol, its group, the errnos that are tried, and where it is said
 * that it can give them. meson.build wraps each CALL at link time, and seam.c has a wrapper for it; a HOOK
 * is a function that seam.c gives to a library. control.py reads the errnos. The first errno is the one that a bounded sample tries.
 *
 * Groups: KERNEL is a call that asks or changes the kernel or a file; STORE is SQLite's own way to its files; MEMORY is an
 * allocation. Numbers without another source are those of the symbol's man page, section 2 or 3.
 *
 * What is not here stands in HARMLESS of test_table.py with the reason.
 */

/* --- netlink: the send itself, and the wait for the answer. What the kernel says inside an answer: MESSAGE, below --- */
CALL(sendto, KERNEL, "ENOBUFS ENOMEM EPERM ECONNREFUSED", "send(2), net/netlink/af_netlink.c netlink_sendmsg()")
CALL(recvmsg, KERNEL, "ENOMEM ENOBUFS", "recv(2), netlink(7)")
CALL(recvfrom, KERNEL, "ENOMEM ENOBUFS", "recv(2), netlink(7)")
CALL(recv, KERNEL, "ENOMEM ENOBUFS", "recv(2), netlink(7)")

/* --- sockets --- */
CALL(socket, KERNEL, "ENOBUFS EMFILE ENFILE ENOMEM EACCES", "socket(2)")
CALL(bind, KERNEL, "ENOMEM EADDRINUSE EACCES", "bind(2), ip(7)")
CALL(listen, KERNEL, "EADDRINUSE", "listen(2)")
CALL(setsockopt, KERNEL, "ENOMEM EPERM", "net/core/sock.c sk_setsockopt(), net/core/filter.c sk_attach_filter()")
CALL(getsockopt, KERNEL, "EPERM EACCES", "net/socket.c: a BPF program of the cgroup, security_socket_getsockopt()")
CALL(ioctl, KERNEL, "EACCES EPERM", "security_file_ioctl(), SystemCallFilter= in systemd.exec(5)")
CALL(mnl_socket_open2, KERNEL, "EMFILE ENOMEM", "socket(2)")
CALL(mnl_socket_bind, KERNEL, "ENOMEM", "net/netlink/af_netlink.c netlink_bind()")
CALL(mnl_socket_setsockopt, KERNEL, "ENOMEM EPERM", "net/netlink/af_netlink.c netlink_setsockopt()")

/* --- namespaces and mounts --- */
CALL(setns, KERNEL, "ENOMEM EPERM", "setns(2)")
CALL(unshare, KERNEL, "ENOSPC ENOMEM EPERM", "unshare(2)")
CALL(mount, KERNEL, "ENOMEM EPERM EBUSY", "mount(2)")
CALL(umount2, KERNEL, "EBUSY EPERM ENOMEM", "umount2(2)")
CALL(pidfd_open, KERNEL, "EMFILE ENOMEM", "pidfd_open(2)")
CALL(pthread_create, KERNEL, "EAGAIN", "pthread_create(3)")

/* --- files --- */
CALL(open64, KERNEL, "EMFILE ENFILE ENOMEM EACCES", "open(2)")
CALL(openat64, KERNEL, "EMFILE ENFILE ENOMEM ENOSPC", "open(2)")
CALL(fopen64, KERNEL, "EMFILE ENOMEM", "fopen(3), open(2)")
CALL(fdopen, KERNEL, "ENOMEM", "fopen(3), malloc(3)")
CALL(opendir, KERNEL, "EMFILE ENOMEM", "opendir(3)")
CALL(readdir64, KERNEL, "EIO", "fs/readdir.c; getdents(2)")
CALL(read, KERNEL, "EIO ENOMEM", "read(2), fs/proc/proc_sysctl.c")
CALL(pread64, KERNEL, "EIO", "read(2)")
CALL(write, KERNEL, "ENOSPC EIO", "write(2)")
CALL(pwrite64, KERNEL, "ENOMEM EPERM EINVAL", "write(2), fs/proc/proc_sysctl.c")
CALL(fflush, KERNEL, "ENOSPC EIO", "fflush(3), write(2)")
CALL(fsync, KERNEL, "EIO ENOSPC", "fsync(2)")
CALL(rename, KERNEL, "ENOSPC EROFS", "rename(2)")
CALL(renameat2, KERNEL, "ENOSPC EROFS", "rename(2)")
CALL(unlink, KERNEL, "EIO EROFS", "unlink(2)")
CALL(unlinkat, KERNEL, "EIO EROFS", "unlink(2)")
CALL(mkdir, KERNEL, "ENOSPC EROFS", "mkdir(2)")
CALL(rmdir, KERNEL, "EBUSY EROFS", "rmdir(2)")
CALL(chmod, KERNEL, "EIO EPERM", "chmod(2)")
CALL(fchmod, KERNEL, "EIO EPERM", "chmod(2)")
CALL(flock, KERNEL, "ENOLCK EINTR", "flock(2)")
CALL(stat64, KERNEL, "ENOMEM", "stat(2)")
CALL(fstat64, KERNEL, "ENOMEM", "stat(2)")
CALL(fstatfs64, KERNEL, "ENOMEM EIO", "statfs(2)")
CALL(statfs64, KERNEL, "ENOMEM", "statfs(2)")
CALL(statx, KERNEL, "ENOMEM", "statx(2)")
CALL(faccessat, KERNEL, "ENOMEM", "access(2)")
CALL(inotify_init1, KERNEL, "EMFILE ENOMEM", "inotify_init(2)")
CALL(inotify_add_watch, KERNEL, "ENOSPC ENOMEM", "inotify_add_watch(2)")
CALL(getrandom, KERNEL, "ENOSYS", "getrandom(2)")

/* --- SQLite's files --- */
HOOK(vfs_open, STORE, "EMFILE ENOMEM", "open(2)")
HOOK(vfs_read, STORE, "EIO", "read(2)")
HOOK(vfs_write, STORE, "ENOSPC EIO", "write(2)")
HOOK(vfs_sync, STORE, "EIO ENOSPC", "fsync(2)")
HOOK(vfs_truncate, STORE, "EIO", "ftruncate(2)")
HOOK(vfs_delete, STORE, "EIO", "unlink(2)")

/* --- memory --- */
CALL(malloc, MEMORY, "ENOMEM", "malloc(3)")
CALL(calloc, MEMORY, "ENOMEM", "malloc(3)")
CALL(realloc, MEMORY, "ENOMEM", "malloc(3)")
CALL(reallocarray, MEMORY, "ENOMEM", "malloc(3)")
CALL(strdup, MEMORY, "ENOMEM", "strdup(3)")
CALL(strndup, MEMORY, "ENOMEM", "strdup(3)")
CALL(asprintf, MEMORY, "ENOMEM", "asprintf(3), malloc(3)")
CALL(vasprintf, MEMORY, "ENOMEM", "asprintf(3), malloc(3)")
CALL(open_memstream, MEMORY, "ENOMEM", "open_memstream(3), malloc(3)")
CALL(fmemopen, MEMORY, "ENOMEM", "fmemopen(3), malloc(3)")
CALL(nlmsg_alloc_simple, MEMORY, "ENOMEM", "libnl: lib/msg.c")
CALL(nftnl_udata_buf_alloc, MEMORY, "ENOMEM", "libnftnl: src/udata.c")
CALL(event_new, MEMORY, "ENOMEM", "libevent: event.c")
HOOK(sqlite_malloc, MEMORY, "ENOMEM", "SQLite: SQLITE_CONFIG_MALLOC")

/*
 * What the kernel answers to one message that was sent. The message is really refused (its type becomes one that no kernel
 * knows) and those around it are really done; then the errno in the answer becomes one of these. None of them says "it is gone"
 * or "there is no such file": of something that is there, that would be a lie that no kernel tells.
 */
#ifdef MESSAGE
MESSAGE(NETLINK_ROUTE, "ENOMEM EBUSY EPERM EEXIST EOPNOTSUPP", "net/core/rtnetlink.c, drivers/net/veth.c, net/bridge/br_if.c")
MESSAGE(NETLINK_NETFILTER, "ENOMEM EEXIST ENOENT EBUSY ENOSPC", "net/netfilter/nf_tables_api.c, nfnetlink.c, nf_conntrack_netlink.c")
MESSAGE(NETLINK_SOCK_DIAG, "ENOMEM ENOENT", "net/ipv4/inet_diag.c")
#endif
