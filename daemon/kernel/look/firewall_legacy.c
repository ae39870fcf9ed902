/*
 * The FORWARD chain of iptables-legacy, which nf_tables does not know of. The kernel gives the
 * whole table as one block of entries that point at each other by offset; nothing of it is believed
 * before it was found to lie within the block.
 *
 * The table is only asked for where it is there already: asking makes the kernel load it.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/look/firewall.h"
#include "lib/cleanup.h"

#include <limits.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <string.h>
#include <sys/socket.h>

#define TABLE_SIZE_MAX (64u << 20) /* bytes: some 400,000 rules */
#define ALIGNMENT      _Alignof(struct xt_entry_target)
#define STEPS_MAX      100000
#define DEPTH_MAX      16

struct table {
	struct ipt_get_entries *entries;
	unsigned size;
	unsigned forward, policy; /* offsets of the FORWARD chain's first entry and of its policy */
	unsigned steps;           /* taken; a table that jumps in circles ends, too */
};

static bool is_there(void)
{
	_cleanup_(fclosep) FILE *file = fopen("/proc/net/ip_tables_names", "re");
	char line[64];

	while (file && fgets(line, sizeof(line), file))
		if (strcmp(line, "filter\n") == 0)
			return true;
	return false;
}

/* Whether an interface fits, as iptables compares: by bytes under a mask. */
static bool fits(const char *name, const unsigned char *wanted, const unsigned char *mask)
{
	char bytes[IFNAMSIZ] = {0};

	snprintf(bytes, sizeof(bytes), "%s", name);
	for (int i = 0; i < IFNAMSIZ; i++)
		if (((unsigned char)bytes[i] ^ wanted[i]) & mask[i])
			return false;
	return true;
}

/* A match that restricts nothing is a comment. */
static bool has_matches(const struct ipt_entry *entry)
{
	unsigned at = sizeof(*entry);

	while (at + sizeof(struct xt_entry_match) <= entry->target_offset) {
		const struct xt_entry_match *match =
		        (const struct xt_entry_match *)((const char *)entry + at);

		if (strncmp(match->u.user.name, "comment", sizeof(match->u.user.name)) != 0)
			return true;
		if (match->u.match_size < sizeof(*match) || match->u.match_size % ALIGNMENT)
			return true;
		at += match->u.match_size;
	}
	return false;
}

static struct firewall_match match_entry(
        const struct ipt_entry *entry, const struct firewall_packet *packet)
{
	const struct ipt_ip *ip = &entry->ip;
	bool out = packet->enters;
	const char *own = out ? ip->outiface : ip->iniface,
	           *other = out ? ip->iniface : ip->outiface;
	const unsigned char *mask = out ? ip->outiface_mask : ip->iniface_mask;
	bool inverted = ip->invflags & (out ? IPT_INV_VIA_OUT : IPT_INV_VIA_IN);
	struct firewall_match match = {.other = other[0] != '\0'};

	if (own[0]) {
		bool holds = fits(packet->ifname, (const unsigned char *)own, mask);

		match.never = holds == inverted;
		match.named = holds && !inverted;
	}
	match.unknown = ip->smsk.s_addr || ip->dmsk.s_addr || ip->proto || ip->flags & IPT_F_FRAG ||
	                has_matches(entry);
	return match;
}

static const struct ipt_entry *entry_at(const struct table *table, unsigned offset)
{
	const struct ipt_entry *entry;

	if (offset > table->size || table->size - offset < sizeof(*entry) || offset % ALIGNMENT)
		return NULL;
	entry = (const struct ipt_entry *)((const char *)table->entries->entrytable + offset);
	if (entry->next_offset > table->size - offset || entry->target_offset < sizeof(*entry) ||
	        entry->target_offset % ALIGNMENT ||
	        entry->target_offset + sizeof(struct xt_entry_target) > entry->next_offset)
		return NULL;
	return entry;
}

/* *jump: the offset of the chain of a jump. */
static enum firewall_verdict target_of(const struct ipt_entry *entry, unsigned *jump)
{
	const struct xt_standard_target *target =
	        (const struct xt_standard_target *)((const char *)entry + entry->target_offset);

	if (strncmp(target->target.u.user.name, "REJECT", sizeof("REJECT")) == 0)
		return FIREWALL_DROP;
	if (target->target.u.user.name[0] ||
	        entry->target_offset + sizeof(*target) > entry->next_offset)
		return FIREWALL_NONE;
	if (target->verdict >= 0) {
		*jump = (unsigned)target->verdict;
		return entry->ip.flags & IPT_F_GOTO ? FIREWALL_GOTO : FIREWALL_JUMP;
	}
	switch (-(target->verdict + 1)) {
	case NF_DROP:
		return FIREWALL_DROP;
	case NF_ACCEPT:
		return FIREWALL_ACCEPT;
	default:
		return target->verdict == XT_RETURN ? FIREWALL_RETURN : FIREWALL_NONE;
	}
}

/* A jump to the very next rule is how the kernel keeps a rule without a target. */
static enum firewall_verdict walk(
        struct table *table, unsigned offset, const struct firewall_packet *packet, unsigned depth)
{
	const struct ipt_entry *entry;

	while (depth < DEPTH_MAX && table->steps++ < STEPS_MAX &&
	        (entry = entry_at(table, offset))) {
		struct firewall_match match = match_entry(entry, packet);
		unsigned jump = 0;
		enum firewall_verdict verdict = target_of(entry, &jump), result = FIREWALL_NONE;

		offset += entry->next_offset;
		if (!firewall_applies(&match, verdict))
			continue;
		if (verdict == FIREWALL_ACCEPT || verdict == FIREWALL_DROP)
			return verdict;
		if (verdict == FIREWALL_RETURN)
			return FIREWALL_NONE;
		if (verdict == FIREWALL_NONE || jump == offset)
			continue;
		result = walk(table, jump, packet, depth + 1);
		if (result == FIREWALL_ACCEPT || (result == FIREWALL_DROP && !match.other))
			return result;
		if (verdict == FIREWALL_GOTO && !match.other)
			return FIREWALL_NONE;
	}
	return FIREWALL_NONE;
}

static void table_done(struct table *table)
{
	free(table->entries);
}

static int read_table(struct table *ret, struct error *err)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ipt_getinfo info = {.name = "filter"};
	socklen_t size = sizeof(info);

	if (fd < 0 || getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &info, &size) < 0)
		return error_set(
		        err, ERROR_KERNEL, errno, "ask for iptables-legacy's table filter");
	if (info.size > TABLE_SIZE_MAX)
		return error_set(
		        err, ERROR_KERNEL, EMSGSIZE, "read iptables-legacy's table filter");
	size = (socklen_t)(sizeof(*ret->entries) + info.size);
	ret->entries = calloc(1, size);
	if (!ret->entries)
		return error_memory(err);
	ret->size = ret->entries->size = info.size;
	memcpy(ret->entries->name, "filter", sizeof("filter"));
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, ret->entries, &size) < 0)
		return error_set(err, ERROR_KERNEL, errno, "read iptables-legacy's table filter");
	ret->forward = info.hook_entry[NF_INET_FORWARD];
	ret->policy = info.underflow[NF_INET_FORWARD];
	return 0;
}

int firewall_legacy(
        const struct firewall_packet *packet, enum firewall_verdict *ret, struct error *err)
{
	_cleanup_(table_done) struct table table = {0};
	enum firewall_verdict verdict;
	unsigned jump;
	const struct ipt_entry *last;
	int r;

	if (!is_there()) {
		*ret = FIREWALL_NONE;
		return 0;
	}
	r = read_table(&table, err);
	if (r < 0)
		return r;
	verdict = walk(&table, table.forward, packet, 0);
	last = entry_at(&table, table.policy);
	*ret = verdict == FIREWALL_NONE && last ? target_of(last, &jump) : verdict;
	return 0;
}
