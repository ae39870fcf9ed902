/*
 * Other people's forward chains: those that stop netd's traffic are named with the command that
 * helps, and after that command, typed as it stands, nothing is said any more. Those that let it
 * through are not mentioned.
 */
#include "daemon/kernel/look.h"
#include "tests/kernel/ruleset.h"

#include <linux/netfilter/nf_tables.h>
#include <string.h>

static char sentences[4][512];
static const char netds[][IFNAMSIZ] = {"netd0", "netd-3f2a9c"};
static const char others[][IFNAMSIZ] = {"br-a", "br-b"};

static unsigned look(const char (*bridges)[IFNAMSIZ], unsigned bridge_count)
{
	unsigned count = 0;

	ck_assert_msg(look_firewall(kernel, bridges, bridge_count, sentences, 4, &count, &err) == 0,
	        "%s", err.text);
	return count;
}

/* A ruleset whose forward chain `mine` of `inet f` has this body. */
static void chain(const char *body)
{
	shell("nft flush ruleset; nft -f - <<'EOF'\ntable inet f {\n%s\n}\nEOF", body);
}

#define BASE "chain mine { type filter hook forward priority 0; policy drop;\n"

static void must_warn(const char *body)
{
	chain(body);
	ck_assert_msg(look(netds, 2) == 1, "nothing is said of: %s", body);
}

static void must_not_warn(const char *body)
{
	chain(body);
	ck_assert_msg(look(netds, 2) == 0, "%s\nis said of: %s", sentences[0], body);
}

/* The command that stands in the sentence. */
static void type_command(void)
{
	static const char before[] = "to let it pass: ";
	char *command = strstr(sentences[0], before);

	ck_assert_ptr_nonnull(command);
	command += strlen(before);
	*strstr(command, " (") = '\0';
	shell("%s", command);
}

START_TEST(nothing_is_said_where_nobody_drops)
{
	ck_assert_int_eq(look(netds, 2), 0);
	shell("nft 'add table inet netd; add chain inet netd c { type filter hook forward priority "
	      "0; "
	      "policy drop; }'"); /* its own */
	ck_assert_int_eq(look(netds, 2), 0);
	must_not_warn("chain mine { type filter hook forward priority 0; ip saddr 192.0.2.1 drop; "
	              "iifname \"eth0\" drop; ct state invalid drop;\n}");
	must_not_warn("chain mine { type filter hook input priority 0; policy drop;\n}");
	must_not_warn("chain c { drop;\n}");
}
END_TEST

START_TEST(a_policy_and_a_last_rule_drop)
{
	must_warn(BASE "}");
	ck_assert_str_eq(sentences[0],
	        "table inet f, chain mine, drops what enters and leaves netd0, netd-3f2a9c; to let "
	        "it "
	        "pass: nft 'insert rule inet f mine iifname \"netd*\" accept; insert rule inet f "
	        "mine "
	        "oifname \"netd*\" accept' (and the same in its ruleset file, so that it lasts)");
	must_warn(
	        "chain mine { type filter hook forward priority 0;\n ct state established,related "
	        "accept\n counter log drop\n}");
	must_warn("chain mine { type filter hook forward priority 0;\n reject\n}");
	must_warn("chain no { drop\n}\nchain mine { type filter hook forward priority 0;\n jump "
	          "no\n}");
	must_warn("chain no { drop\n}\nchain mine { type filter hook forward priority 0;\n goto "
	          "no\n}");
}
END_TEST

START_TEST(the_command_of_nft_helps)
{
	must_warn(BASE "ct state established,related accept\n}");
	type_command();
	ck_assert_int_eq(look(netds, 2), 0);
	chain(BASE "}");
	ck_assert_int_eq(look(others, 2), 1);
	type_command();
	ck_assert_int_eq(look(others, 2), 0);
	ck_assert_int_eq(look(netds, 2), 1);
}
END_TEST

START_TEST(accepting_rules_are_understood)
{
	must_not_warn(BASE "iifname \"netd*\" accept\n oifname \"netd*\" accept\n}");
	must_not_warn(BASE "iifname { \"netd0\", \"netd-3f2a9c\" } accept\n oifname { \"netd*\", "
	                   "\"eth1\" } accept\n}");
	must_not_warn("set b { type ifname; elements = { \"netd0\", \"netd-3f2a9c\" }; }\n" BASE
	              "iifname @b accept\n oifname @b accept\n}");
	must_not_warn("chain yes { accept\n}\n" BASE
	              "iifname vmap { \"netd0\" : jump yes, \"netd-3f2a9c\" : accept }\n"
	              "oifname vmap { \"netd0\" : goto yes, \"netd-3f2a9c\" : accept }\n}");
	must_not_warn(
	        "chain yes { iifname \"netd*\" counter accept\n oifname \"netd*\" accept\n}\n" BASE
	        "jump yes\n}");
	must_not_warn(BASE "iifname != \"eth0\" accept\n oifname \"netd*\" accept\n}");
	must_not_warn(BASE "meta nfproto ipv4 accept\n}");
	must_not_warn(BASE "iifname \"netd*\" oifname \"eth0\" accept\n ct status dnat accept\n}");
	must_not_warn(BASE "iifname . oifname { \"netd0\" . \"eth0\", \"netd-3f2a9c\" . \"eth0\" } "
	                   "accept\n oifname \"netd*\" ct state new accept\n}");
	must_not_warn(
	        BASE "ct state vmap { established : accept, new : accept, invalid : drop }\n}");
}
END_TEST

START_TEST(rules_that_do_not_help_are_not_taken_for_help)
{
	must_warn(BASE "iifname \"netd*\" accept\n}");
	ck_assert_ptr_nonnull(strstr(sentences[0], "drops what enters netd0"));
	must_warn(BASE "oifname \"netd*\" accept\n}");
	ck_assert_ptr_nonnull(strstr(sentences[0], "drops what leaves netd0"));
	must_warn(BASE "iifname \"netd0\" accept\n oifname \"netd0\" accept\n}");
	ck_assert_ptr_nonnull(strstr(sentences[0], "enters and leaves netd-3f2a9c;"));
	must_warn(BASE "iifname \"net\" accept\n oifname \"net\" accept\n}");
	must_warn(BASE "ct state established,related accept\n tcp dport 22 accept\n}");
	must_warn(BASE "iifname \"eth0\" accept\n oifname \"eth0\" accept\n}");
	must_warn(BASE "iifname \"netd*\" drop\n accept\n}");
	must_warn(BASE "iifname { \"neta*\", \"netf*\" } accept\n oifname \"netd*\" accept\n}");
	must_warn(
	        BASE "iifname \"netd*\" limit rate 1/second accept\n oifname \"netd*\" accept\n}");
	must_warn("chain a { jump b\n}\nchain b { return\n}\n" BASE "jump a\n}");
	must_warn(BASE "ct state vmap { established : accept, invalid : drop }\n}");
}
END_TEST

START_TEST(both_of_two_chains_are_named)
{
	shell("nft -f - <<'EOF'\n"
	      "table ip a {\nchain x { type filter hook forward priority 0; policy drop;\n}\n}\n"
	      "table inet b {\nchain y { type filter hook forward priority 9; policy drop;\n}\n}\n"
	      "table ip6 c {\nchain z { type filter hook forward priority 9; policy "
	      "drop;\n}\n}\nEOF");
	ck_assert_int_eq(look(netds, 1), 2);
	ck_assert_ptr_nonnull(strstr(sentences[0], "table ip a, chain x,"));
	ck_assert_ptr_nonnull(strstr(sentences[1], "table inet b, chain y,"));
}
END_TEST

START_TEST(ipv6_counts_where_a_bridge_has_it)
{
	shell("nft 'add table ip6 c; add chain ip6 c z { type filter hook forward priority 0; "
	      "policy "
	      "drop; }'; ip link add netd0 type bridge; ip link set netd0 up");
	ck_assert_int_eq(look(netds, 1), 0);
	shell("ip -6 addr add fd00::1/64 dev netd0 nodad");
	ck_assert_int_eq(look(netds, 1), 1);
	type_command();
	ck_assert_int_eq(look(netds, 1), 0);
	shell("ip link del netd0");
}
END_TEST

START_TEST(iptables_is_told_in_its_own_words)
{
	shell("iptables-nft -P FORWARD DROP; iptables-nft -A FORWARD -m conntrack --ctstate "
	      "RELATED,ESTABLISHED -j ACCEPT");
	ck_assert_int_eq(look(netds, 2), 1);
	ck_assert_ptr_nonnull(strstr(sentences[0], "table ip filter, chain FORWARD,"));
	ck_assert_ptr_nonnull(strstr(sentences[0], ": iptables -I FORWARD -i netd+ -j ACCEPT && "
	                                           "iptables -I FORWARD -o netd+ -j ACCEPT ("));
	shell("iptables-nft -I FORWARD -i netd0 -j ACCEPT; iptables-nft -I FORWARD -o netd0 -m "
	      "comment --comment x -j ACCEPT");
	ck_assert_int_eq(look(netds, 1), 0);
	ck_assert_int_eq(look(netds, 2), 1);
	shell("iptables-nft -I FORWARD -i netd+ -j ACCEPT; iptables-nft -I FORWARD -o netd+ -j "
	      "ACCEPT");
	ck_assert_int_eq(look(netds, 2), 0);
	shell("iptables-nft -F FORWARD; iptables-nft -P FORWARD ACCEPT; iptables-nft -A FORWARD -j "
	      "REJECT");
	ck_assert_int_eq(look(netds, 2), 1);
}
END_TEST

START_TEST(docker_has_a_chain_for_it)
{
	shell("iptables-nft -P FORWARD DROP; iptables-nft -N DOCKER-USER; iptables-nft -A FORWARD "
	      "-j "
	      "DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN");
	ck_assert_int_eq(look(netds, 2), 1);
	ck_assert_ptr_nonnull(strstr(sentences[0], "iptables -I DOCKER-USER -i netd+ -j ACCEPT && "
	                                           "iptables -I DOCKER-USER -o netd+ -j ACCEPT"));
	shell("iptables-nft -I DOCKER-USER -i netd+ -j ACCEPT; iptables-nft -I DOCKER-USER -o "
	      "netd+ "
	      "-j ACCEPT");
	ck_assert_int_eq(look(netds, 2), 0);
}
END_TEST

START_TEST(ufw_and_firewalld_have_commands)
{
	shell("nft -f - <<'EOF'\ntable ip filter {\nchain ufw-user-forward {\n}\nchain FORWARD { "
	      "type "
	      "filter hook forward priority 0; policy drop;\njump ufw-user-forward\n}\n}\nEOF");
	ck_assert_int_eq(look(netds, 1), 1);
	ck_assert_ptr_nonnull(strstr(
	        sentences[0], "ufw route allow in on netd0 && ufw route allow out on netd0"));
	shell("nft 'add rule ip filter ufw-user-forward iifname \"netd0\" accept; add rule ip "
	      "filter "
	      "ufw-user-forward oifname \"netd0\" accept'");
	ck_assert_int_eq(look(netds, 1), 0);
	shell("nft flush ruleset; nft -f - <<'EOF'\ntable inet firewalld {\nchain filter_FORWARD { "
	      "type "
	      "filter hook forward priority 10;\nct state { established, related } accept\nct "
	      "status "
	      "dnat accept\niifname \"lo\" accept\njump zones\nct state invalid drop\nreject with "
	      "icmpx admin-prohibited\n}\nchain zones {\n}\nchain trusted { accept\n}\n}\nEOF");
	ck_assert_int_eq(look(netds, 1), 1);
	ck_assert_ptr_nonnull(strstr(sentences[0],
	        "drops what leaves netd0; to let it pass: firewall-cmd --permanent --zone=trusted "
	        "--add-interface=netd0 && firewall-cmd --reload"));
	shell("nft 'add rule inet firewalld zones iifname \"netd0\" goto trusted'");
	ck_assert_int_eq(look(netds, 1), 0);
}
END_TEST

START_TEST(iptables_legacy_is_looked_at_where_it_is_used)
{
	if (strcmp(shell_line("iptables-legacy -P FORWARD DROP 2>&1 || echo no"), "") != 0)
		return; /* this kernel has none; the chains of nf_tables are all there is */
	ck_assert_int_eq(look(netds, 2), 1);
	ck_assert_ptr_nonnull(strstr(sentences[0], "iptables-legacy, chain FORWARD, drops"));
	shell("iptables-legacy -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT; "
	      "iptables-legacy -A FORWARD -p tcp -j ACCEPT; iptables-legacy -A FORWARD -i eth0 -j "
	      "ACCEPT; iptables-legacy -A FORWARD ! -i netd0 -j ACCEPT");
	ck_assert_int_eq(look(netds, 2), 1);
	type_command();
	ck_assert_int_eq(look(netds, 2), 0);
	shell("iptables-legacy -F FORWARD; iptables-legacy -N mine; iptables-legacy -A mine -i "
	      "netd+ "
	      "-m comment --comment x -j ACCEPT; iptables-legacy -A mine -o netd+ -j ACCEPT; "
	      "iptables-legacy -A FORWARD -j mine");
	ck_assert_int_eq(look(netds, 2), 0);
	shell("iptables-legacy -I mine -j RETURN");
	ck_assert_int_eq(look(netds, 2), 1);
	shell("iptables-legacy -P FORWARD ACCEPT; iptables-legacy -F");
	ck_assert_int_eq(look(netds, 2), 0);
	shell("iptables-legacy -A FORWARD -j REJECT");
	ck_assert_int_eq(look(netds, 2), 1);
	shell("iptables-legacy -F");
}
END_TEST

/* What netd itself commits, as an own change. */
static void commit_own(void)
{
	static const struct set set = {.table = "inet netd", .name = "own", .key = {FIELD_IFNAME}};
	struct element element = {.set = &set};
	unsigned long changes = 0;
	static unsigned number;
	char ifname[IFNAMSIZ];

	snprintf(ifname, sizeof(ifname), "own%u", number++);
	element_key_ifname(&element, ifname);
	ck_assert_int_eq(nft_queue_element(kernel->nft, NFT_MSG_NEWSETELEM, &element, &err), 0);
	ck_assert_msg(nft_commit(kernel->nft, &changes, &err) == 0, "%s", err.text);
}

START_TEST(own_changes_are_told_from_those_of_others)
{
	uint32_t before, now;

	shell("nft 'add table inet netd; add set inet netd own { type ifname; }'");
	ck_assert_int_eq(nft_others_generation(kernel->nft, &before, &err), 0);
	commit_own();
	commit_own();
	ck_assert_int_eq(nft_others_generation(kernel->nft, &now, &err), 0);
	ck_assert_uint_eq(now, before);
	shell("nft add table inet f");
	ck_assert_int_eq(nft_others_generation(kernel->nft, &now, &err), 0);
	ck_assert_uint_ne(now, before);
}
END_TEST

START_TEST(what_is_remembered_is_as_the_rules_are_now)
{
	char sentence[512];

	ck_assert_int_eq(look(netds, 1), 0);
	chain(BASE "}");
	ck_assert_int_eq(look(netds, 1), 1);
	strcpy(sentence, sentences[0]);
	shell("nft 'add table inet netd; add set inet netd own { type ifname; }'");
	for (int i = 0; i < 3; i++) {
		memset(sentences, 0, sizeof(sentences));
		ck_assert_int_eq(look(netds, 1), 1);
		ck_assert_str_eq(sentences[0], sentence);
		commit_own();
	}
	for (int i = 0; i < 40; i++) {
		char other[1][IFNAMSIZ];

		snprintf(other[0], IFNAMSIZ, "br-%d", i);
		ck_assert_int_eq(look((const char(*)[IFNAMSIZ])other, 1), 1);
		ck_assert_ptr_nonnull(strstr(sentences[0], other[0]));
	}
	shell("nft add rule inet f mine iifname netd0 accept");
	ck_assert_int_eq(look(netds, 1), 1);
	ck_assert_str_ne(sentences[0], sentence);
	shell("nft flush ruleset");
	ck_assert_int_eq(look(netds, 1), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {nothing_is_said_where_nobody_drops,
	        a_policy_and_a_last_rule_drop, the_command_of_nft_helps,
	        accepting_rules_are_understood, rules_that_do_not_help_are_not_taken_for_help,
	        both_of_two_chains_are_named, ipv6_counts_where_a_bridge_has_it,
	        iptables_is_told_in_its_own_words, docker_has_a_chain_for_it,
	        ufw_and_firewalld_have_commands, iptables_legacy_is_looked_at_where_it_is_used,
	        own_changes_are_told_from_those_of_others,
	        what_is_remembered_is_as_the_rules_are_now, NULL};

	host_enter();
	return run_tests("firewall", setup, teardown, tests);
}
