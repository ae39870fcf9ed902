/*
 * Tables with an owner: nobody else can change them, they outlive it, and they are claimed again
 * with all that is in them. What others do is done with nft, by hand. On a kernel that has no such
 * tables they are plain.
 */
#include "tests/kernel/tables.h"

#include "daemon/kernel/nft/internal.h"

#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#define PORT_MAP "nd_any4"

static void begin_to_own(void)
{
	nft_close(kernel->nft);
	begin(true);
	ck_assert_msg(nft_owns(kernel->nft), "this kernel has tables that outlive their owner");
	make_tables();
}

/* Someone's element, as there is no netd that would mind. */
static void add_element(void)
{
	shell("nft add element inet netd " PORT_MAP " '{ tcp . 8080 : 10.0.0.2 . 80 }'");
}

static bool has_element(void)
{
	return system("nft list map inet netd " PORT_MAP " | grep -q 10.0.0.2") == 0;
}

static bool fails(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "%s 2>/dev/null", command);
	return system(line) != 0;
}

/* Ends as if killed. */
static void end(void)
{
	kernel->nft = nft_close(kernel->nft);
}

/* The steps from what is there to what should be, applied; returns how many messages that took. */
static unsigned long repair(void)
{
	_cleanup_(resources_done) struct resources there = observe(&kind_skeleton, SCOPE_INSTANCE);
	_cleanup_(resources_done) struct resources wanted = {0};
	_cleanup_(plan_done) struct plan plan = {0};
	unsigned long before = kernel->changes;

	for (int i = 0; i < 2; i++) {
		struct resource table = skeleton(i ? BRIDGE : INET);

		*resources_add(&wanted, RESOURCE_SKELETON, "", "") = table;
	}
	resources_sort(&wanted);
	ck_assert_int_eq(plan_difference(&there, &wanted, &plan, &err), 0);
	for (size_t i = 0; i < plan.reversible.count; i++)
		if (kind_skeleton.apply(kernel, &plan.reversible.items[i], &err) < 0)
			nft_abandon(kernel->nft);
	must_commit();
	return kernel->changes - before;
}

START_TEST(no_one_else_can_change_what_is_owned)
{
	begin_to_own();
	shell("nft add table inet mine; nft flush ruleset");
	ck_assert(tables_are_intact());
	ck_assert_str_eq(shell_line("nft list tables | grep -c ."), "2");
	ck_assert(fails("nft delete table inet netd"));
	ck_assert(fails("nft flush chain inet netd nd_guard"));
	ck_assert(fails("nft add element inet netd nd_bridges '{ x }'"));
	ck_assert(fails("nft flush table bridge netd"));
	ck_assert(tables_are_intact());
	ck_assert_uint_eq(repair(), 0);
}
END_TEST

START_TEST(an_orphan_is_claimed_with_all_that_is_in_it)
{
	begin_to_own();
	end();
	add_element();
	begin(true);
	ck_assert(!tables_are_intact());
	ck_assert_uint_eq(repair(), 2); /* one message for each table */
	ck_assert(tables_are_intact());
	ck_assert(has_element());
	ck_assert(fails("nft delete table inet netd"));
}
END_TEST

START_TEST(a_damaged_orphan_is_replaced)
{
	begin_to_own();
	end();
	add_element();
	shell("nft flush chain inet netd nd_guard");
	begin(true);
	ck_assert_uint_gt(repair(), 10);
	ck_assert(tables_are_intact());
	ck_assert(!has_element());
	ck_assert(fails("nft delete table inet netd"));
}
END_TEST

START_TEST(a_plain_table_becomes_an_owned_one_and_back)
{
	make_tables();
	nft_close(kernel->nft);
	begin(true);
	ck_assert(!tables_are_intact());
	repair();
	ck_assert(tables_are_intact());
	ck_assert(fails("nft delete table inet netd"));
	nft_close(kernel->nft);
	begin(false);
	ck_assert(!tables_are_intact());
	repair();
	ck_assert(tables_are_intact());
	shell("nft delete table inet netd");
}
END_TEST

START_TEST(someone_elses_table_is_refused_with_a_sentence)
{
	struct nft *other;

	begin_to_own();
	other = kernel->nft;
	begin(true);
	ck_assert(!tables_are_intact());
	ck_assert_uint_eq(repair(), 0);
	ck_assert_int_eq(err.errnum, EPERM);
	ck_assert_ptr_nonnull(strstr(err.text, "change table inet netd"));
	nft_close(other);
	ck_assert_uint_eq(repair(), 2);
}
END_TEST

/* What a service manager would keep. */
static int keep(void)
{
	return fcntl(mnl_socket_get_fd(kernel->nft->changes), F_DUPFD_CLOEXEC, 3);
}

START_TEST(a_kept_socket_goes_on_owning)
{
	uint32_t port;
	int fd;

	begin_to_own();
	port = nft_port_id(kernel->nft);
	fd = keep();
	end();
	ck_assert(fails("nft delete table inet netd"));
	begin(true);
	ck_assert(!tables_are_intact());
	ck_assert_int_eq(nft_adopt(kernel->nft, fd, &err), 0);
	ck_assert_uint_eq(nft_port_id(kernel->nft), port);
	ck_assert(tables_are_intact());
	ck_assert_uint_eq(repair(), 0);
	ck_assert(fails("nft delete table inet netd"));
	end(); /* with it the descriptor that was handed over */
	shell("nft delete table inet netd");
}
END_TEST

START_TEST(a_kept_socket_gives_up_what_is_to_be_plain)
{
	int fd;

	begin_to_own();
	fd = keep();
	end();
	begin(false);
	ck_assert_int_eq(nft_adopt(kernel->nft, fd, &err), 0);
	ck_assert_uint_gt(repair(), 10);
	ck_assert(tables_are_intact());
	shell("nft delete table inet netd");
}
END_TEST

START_TEST(answers_to_the_one_before_are_thrown_away)
{
	_Alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	char byte;
	int fd;

	begin_to_own();
	fd = keep();
	end();
	mnl_nlmsg_put_extra_header(request, 4);
	request->nlmsg_type = 10 << 8 | NFT_MSG_GETTABLE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(send(fd, request, request->nlmsg_len, 0), request->nlmsg_len);
	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK), 1);
	begin(true);
	ck_assert_int_eq(nft_adopt(kernel->nft, fd, &err), 0);
	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

static int foreign_host_socket(void)
{
	int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd;
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(setns(here, CLONE_NEWNET), 0);
	close(here);
	return fd;
}

START_TEST(what_cannot_be_the_owner_is_closed)
{
	const struct {
		int fd;
		const char *why;
	} wrong[] = {
	        {open("/dev/null", O_RDWR | O_CLOEXEC), "no netfilter socket"},
	        {socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "no netfilter socket"},
	        {socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "no netfilter socket"},
	        {socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), "no port id"},
	        {foreign_host_socket(), "another network namespace"},
	};

	begin_to_own();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		ck_assert_int_ge(wrong[i].fd, 0);
		ck_assert_int_lt(nft_adopt(kernel->nft, wrong[i].fd, &err), 0);
		ck_assert_msg(strstr(err.text, wrong[i].why) != NULL, "%s", err.text);
		ck_assert_int_eq(fcntl(wrong[i].fd, F_GETFD), -1);
	}
	ck_assert(tables_are_intact());
}
END_TEST

/* As a kernel refuses flags that it does not know: this one knows three. */
START_TEST(a_kernel_is_asked_without_a_trace)
{
	struct nlmsghdr *message;

	for (int known = 0; known < 2; known++) {
		int r;

		message =
		        nft_queue(kernel->nft, NFT_MSG_NEWTABLE, NFPROTO_INET, NLM_F_CREATE, "try");
		mnl_attr_put_strz(message, NFTA_TABLE_NAME, "tried");
		mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(known ? NFT_TABLE_OWNED : 0x80));
		nft_queued(kernel->nft, message);
		r = nft_try(kernel->nft, &err);
		ck_assert_int_eq(r, known ? 0 : -err.errnum);
		ck_assert(known || err.errnum == EOPNOTSUPP);
	}
	ck_assert_str_eq(shell_line("nft list tables"), "");
	make_tables();
	ck_assert(tables_are_intact());
}
END_TEST

/* nft knows the owner's flag, and a table that it loads with it ends when nft does: the line with
 * the flags must go. */
START_TEST(a_listing_can_be_loaded_without_its_flags)
{
	begin_to_own();
	shell("nft list ruleset | sed '/^\tflags /d; s/ # progname .*//' > /run/listing; unshare "
	      "--net sh -ec 'nft -f /run/listing; nft list ruleset' | diff -B /run/listing - >&2");
}
END_TEST

START_TEST(a_kernel_without_owners_has_plain_tables)
{
	nft_close(kernel->nft);
	begin(true);
	ck_assert(!nft_owns(kernel->nft));
	make_tables();
	ck_assert(tables_are_intact());
	ck_assert_uint_eq(repair(), 0);
	shell("nft delete table inet netd");
	ck_assert(!tables_are_intact());
	ck_assert_uint_gt(repair(), 10);
	ck_assert(tables_are_intact());
}
END_TEST

/* Linux 6.9 has tables that outlive their owner. */
static bool kernel_owns(void)
{
	struct nft *nft = NULL;
	bool owns = nft_open(&nft, true, &err) < 0 || nft_owns(nft); /* the tests will say why */

	nft_close(nft);
	return owns;
}

int main(void)
{
	const TTest *const without[] = {a_kernel_without_owners_has_plain_tables, NULL};
	const TTest *const tests[] = {no_one_else_can_change_what_is_owned,
	        an_orphan_is_claimed_with_all_that_is_in_it, a_damaged_orphan_is_replaced,
	        a_plain_table_becomes_an_owned_one_and_back,
	        someone_elses_table_is_refused_with_a_sentence, a_kept_socket_goes_on_owning,
	        a_kept_socket_gives_up_what_is_to_be_plain,
	        answers_to_the_one_before_are_thrown_away, what_cannot_be_the_owner_is_closed,
	        a_kernel_is_asked_without_a_trace, a_listing_can_be_loaded_without_its_flags, NULL};

	host_enter();
	return run_tests("owner", setup, teardown, kernel_owns() ? tests : without);
}
