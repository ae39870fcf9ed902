/*
 * Held ports: no program of the host can listen on one, whatever options it sets, and none is kept
 * out of any other.
 */
#include "daemon/kernel/hold.h"
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct kernel *kernel;
static struct error err;

static void setup(void)
{
	host_renew();
	kernel = kind_kernel();
}

static void teardown(void)
{
	kernel = kind_kernel_free(kernel);
}

static struct resource hold(uint8_t protocol, const char *ip, uint16_t port)
{
	struct resource resource = {.kind = RESOURCE_HOLD};

	resource.hold.protocol = protocol;
	ck_assert_int_eq(parse_ip(ip, "ip", &resource.hold.ip, &err), 0);
	resource.hold.port = port;
	return resource;
}

static void apply(const struct resource *old, const struct resource *new)
{
	int r = kind_apply(&kind_hold, kernel, old, new, &err);

	ck_assert_msg(r == 0, "%s", err.text);
}

/* A socket that serves 127.0.0.1:port, with SO_REUSEADDR; or a negative errno. */
static int serve(int type, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons(port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
	        (type == SOCK_DGRAM || listen(fd, 5) == 0))
		return fd;
	on = errno;
	close(fd);
	return -on;
}

static int call(int type, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons(port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

START_TEST(keeps_listeners_off_until_it_is_let_go)
{
	struct resource tcp = hold(IPPROTO_TCP, "0.0.0.0", 8080);
	struct resource udp = hold(IPPROTO_UDP, "127.0.0.1", 8080);
	int fd;

	apply(NULL, &tcp);
	apply(NULL, &udp);
	apply(NULL, &udp); /* held already */
	ck_assert_int_eq(serve(SOCK_STREAM, 8080), -EADDRINUSE);
	ck_assert_int_eq(serve(SOCK_DGRAM, 8080), -EADDRINUSE);
	fd = serve(SOCK_STREAM, 8081);
	ck_assert_int_ge(fd, 0);
	close(fd);
	apply(&tcp, NULL);
	apply(&tcp, NULL); /* gone already */
	fd = serve(SOCK_STREAM, 8080);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(serve(SOCK_DGRAM, 8080), -EADDRINUSE);
}
END_TEST

START_TEST(says_that_a_program_has_the_port)
{
	struct resource tcp = hold(IPPROTO_TCP, "0.0.0.0", 8080);
	struct resource udp = hold(IPPROTO_UDP, "0.0.0.0", 8080);
	int stream = serve(SOCK_STREAM, 8080), datagram = serve(SOCK_DGRAM, 8080);

	ck_assert_int_eq(kind_apply(&kind_hold, kernel, NULL, &tcp, &err), -EADDRINUSE);
	ck_assert_int_eq(err.code, ERROR_EXISTS);
	ck_assert_ptr_nonnull(strstr(err.text, "8080/tcp"));
	ck_assert_int_eq(kind_apply(&kind_hold, kernel, NULL, &udp, &err), -EADDRINUSE);
	close(stream);
	close(datagram);
}
END_TEST

START_TEST(takes_a_port_whose_connections_linger)
{
	struct resource tcp = hold(IPPROTO_TCP, "0.0.0.0", 8082);
	int server = serve(SOCK_STREAM, 8082), client = call(SOCK_STREAM, 8082);
	int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	char byte;

	ck_assert_int_ge(accepted, 0);
	shutdown(accepted, SHUT_WR); /* who closes first waits */
	ck_assert_int_eq(read(client, &byte, 1), 0);
	close(client);
	ck_assert_int_eq(read(accepted, &byte, 1), 0);
	close(accepted);
	close(server);
	ck_assert_str_eq(shell_line("ss -Htan state time-wait sport = :8082 | wc -l"), "1");
	apply(NULL, &tcp);
	ck_assert_int_eq(serve(SOCK_STREAM, 8082), -EADDRINUSE);
}
END_TEST

START_TEST(holds_an_address_that_is_not_there_yet)
{
	struct resource v4 = hold(IPPROTO_TCP, "192.0.2.1", 80);
	struct resource v6 = hold(IPPROTO_UDP, "2001:db8::1", 53);

	apply(NULL, &v4);
	apply(NULL, &v6);
}
END_TEST

START_TEST(queues_no_datagram)
{
	struct resource udp = hold(IPPROTO_UDP, "0.0.0.0", 8083);
	int client;

	apply(NULL, &udp);
	client = call(SOCK_DGRAM, 8083);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(send(client, "x", 1, 0), 1);
	ck_assert_str_eq(shell_line("ss -Huan sport = :8083 | awk '{print $2}'"), "0");
	close(client);
}
END_TEST

START_TEST(observes_what_it_holds)
{
	struct resource udp = hold(IPPROTO_UDP, "127.0.0.1", 8080);
	struct resources list = {0};

	apply(NULL, &udp);
	ck_assert_int_eq(kind_observe(&kind_hold, kernel, SCOPE_INSTANCE, NULL, 0, &list, &err), 0);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_int_eq(resource_compare(&list.items[0], &udp), 0);
	resources_done(&list);
}
END_TEST

/* One message as systemd would get it; "" where none waits. */
static void receive(int fd, char text[256], int *ret)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec vector = {.iov_base = text, .iov_len = 255};
	struct msghdr message = {.msg_iov = &vector,
	        .msg_iovlen = 1,
	        .msg_control = &control,
	        .msg_controllen = sizeof control};
	ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header = size < 0 ? NULL : CMSG_FIRSTHDR(&message);

	text[size < 0 ? 0 : size] = '\0';
	*ret = -1;
	for (; header; header = CMSG_NXTHDR(&message, (struct cmsghdr *)header))
		if (header->cmsg_type == SCM_RIGHTS)
			memcpy(ret, CMSG_DATA(header), sizeof *ret);
}

/* A service manager's socket, at which descriptors to be stored arrive. */
static int listen_as_manager(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/notify"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	return fd;
}

static void end_manager(int fd)
{
	unsetenv("NOTIFY_SOCKET");
	close(fd);
	unlink("/run/notify");
}

START_TEST(takes_over_what_another_run_held)
{
	struct resource tcp = hold(IPPROTO_TCP, "2001:db8::1", 8080);
	struct resources list = {0};
	int listening = serve(SOCK_STREAM, 8084), manager = listen_as_manager(), stored;
	char text[256];

	apply(NULL, &tcp);
	receive(manager, text, &stored);
	ck_assert_str_eq(text, "FDSTORE=1\nFDPOLL=0\nFDNAME=hold-tcp-2001_db8__1-8080");
	end_manager(manager);
	apply(&tcp, NULL);
	ck_assert_int_eq(holds_adopt(kernel, stored, &err), 0);
	ck_assert_int_eq(kind_observe(&kind_hold, kernel, SCOPE_INSTANCE, NULL, 0, &list, &err), 0);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_int_eq(resource_compare(&list.items[0], &tcp), 0);
	resources_done(&list);
	ck_assert_int_eq(holds_adopt(kernel, listening, &err), -EINVAL);
	ck_assert_int_eq(fcntl(listening, F_GETFD), -1);
}
END_TEST

START_TEST(puts_itself_into_systemds_store)
{
	struct resource tcp = hold(IPPROTO_TCP, "0.0.0.0", 8080);
	int fd = listen_as_manager(), passed;
	char text[256];

	apply(NULL, &tcp);
	receive(fd, text, &passed);
	ck_assert_str_eq(text, "FDSTORE=1\nFDPOLL=0\nFDNAME=hold-tcp-0.0.0.0-8080");
	ck_assert_int_ge(passed, 0);
	close(passed);
	apply(&tcp, NULL);
	receive(fd, text, &passed);
	ck_assert_str_eq(text, "FDSTOREREMOVE=1\nFDNAME=hold-tcp-0.0.0.0-8080");
	end_manager(fd);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {keeps_listeners_off_until_it_is_let_go,
	        says_that_a_program_has_the_port, takes_a_port_whose_connections_linger,
	        holds_an_address_that_is_not_there_yet, queues_no_datagram, observes_what_it_holds,
	        takes_over_what_another_run_held, puts_itself_into_systemds_store, NULL};

	host_enter();
	return run_tests("hold", setup, teardown, tests);
}
