/*
 * What to do about a forward chain that drops netd's traffic: the command of the program that keeps
 * the chain, because what is put there behind that program's back is gone when it next reloads.
 * Both directions are accepted: what comes from a bridge, and what published ports let in.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/look/firewall.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "netd"
#define SHOWN  2 /* bridges of other names that a sentence has room for */

/* Bridges that netd has named are matched by what their names have in common, so that the next one
 * needs no rule. */
static bool have_prefix(const struct firewall_finding *finding)
{
	for (unsigned i = 0; i < finding->bridge_count; i++)
		if (strncmp(finding->bridges[i], PREFIX, strlen(PREFIX)) != 0)
			return false;
	return true;
}

static unsigned shown(const struct firewall_finding *finding)
{
	return finding->bridge_count < SHOWN ? finding->bridge_count : SHOWN;
}

static void print_iptables(FILE *out, const char *program, const char *chain, const char *bridge)
{
	fprintf(out, "%s -I %s -i %s -j ACCEPT && %s -I %s -o %s -j ACCEPT", program, chain, bridge,
	        program, chain, bridge);
}

static void advise_iptables(
        const struct firewall_finding *finding, const char *program, const char *chain, FILE *out)
{
	if (have_prefix(finding))
		return print_iptables(out, program, chain, PREFIX "+");
	for (unsigned i = 0; i < shown(finding); i++) {
		fputs(i > 0 ? " && " : "", out);
		print_iptables(out, program, chain, finding->bridges[i]);
	}
}

static const char *family_name(uint16_t family)
{
	return family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : "inet";
}

static void print_nft(FILE *out, const struct firewall_chain *chain, const char *bridge)
{
	static const char *const sides[] = {"iifname", "oifname"};

	for (int i = 0; i < 2; i++)
		fprintf(out, "%sinsert rule %s %s %s %s \"%s\" accept", i > 0 ? "; " : "",
		        family_name(chain->family), chain->table, chain->name, sides[i], bridge);
}

static void advise_nft(const struct firewall_finding *finding, FILE *out)
{
	fputs("nft '", out);
	if (have_prefix(finding))
		print_nft(out, finding->chain, PREFIX "*");
	for (unsigned i = 0; !have_prefix(finding) && i < shown(finding); i++) {
		fputs(i > 0 ? "; " : "", out);
		print_nft(out, finding->chain, finding->bridges[i]);
	}
	fputs("'", out);
}

static void advise_ufw(const struct firewall_finding *finding, FILE *out)
{
	for (unsigned i = 0; i < shown(finding); i++)
		fprintf(out, "%sufw route allow in on %s && ufw route allow out on %s",
		        i > 0 ? " && " : "", finding->bridges[i], finding->bridges[i]);
}

static void advise_firewalld(const struct firewall_finding *finding, FILE *out)
{
	fputs("firewall-cmd --permanent --zone=trusted", out);
	for (unsigned i = 0; i < shown(finding); i++)
		fprintf(out, " --add-interface=%s", finding->bridges[i]);
	fputs(" && firewall-cmd --reload", out);
}

/* What the command does not do by itself. */
static const char *rest_of(enum firewall_keeper keeper)
{
	switch (keeper) {
	case KEEPER_NFT:
		return " (and the same in its ruleset file, so that it lasts)";
	case KEEPER_IPTABLES:
	case KEEPER_LEGACY:
	case KEEPER_DOCKER:
		return " (and netfilter-persistent save, so that it lasts)";
	case KEEPER_UFW:
	case KEEPER_FIREWALLD:
		return "";
	}
	return "";
}

static void advise(const struct firewall_finding *finding, FILE *out)
{
	const char *program = "iptables";

	if (finding->chain && finding->chain->family == NFPROTO_IPV6)
		program = "ip6tables";
	switch (finding->keeper) {
	case KEEPER_NFT:
		return advise_nft(finding, out);
	case KEEPER_IPTABLES:
		return advise_iptables(finding, program, "FORWARD", out);
	case KEEPER_LEGACY:
		return advise_iptables(finding, "iptables-legacy", "FORWARD", out);
	case KEEPER_DOCKER:
		return advise_iptables(finding, program, "DOCKER-USER", out);
	case KEEPER_UFW:
		return advise_ufw(finding, out);
	case KEEPER_FIREWALLD:
		return advise_firewalld(finding, out);
	}
}

static bool names_every_bridge(const struct firewall_finding *finding)
{
	bool by_prefix = finding->keeper != KEEPER_UFW && finding->keeper != KEEPER_FIREWALLD;

	return finding->bridge_count <= SHOWN || (by_prefix && have_prefix(finding));
}

void firewall_advise(const struct firewall_finding *finding, char *text, size_t size)
{
	const struct firewall_chain *chain = finding->chain;
	FILE *out;

	text[0] = '\0';
	out = fmemopen(text, size, "w");
	if (!out)
		return;
	if (chain)
		fprintf(out, "table %s %s, chain %s,", family_name(chain->family), chain->table,
		        chain->name);
	else
		fputs("table filter of iptables-legacy, chain FORWARD,", out);
	fprintf(out, " drops what %s%s%s ", finding->entering ? "enters" : "",
	        finding->entering && finding->leaving ? " and " : "",
	        finding->leaving ? "leaves" : "");
	for (unsigned i = 0; i < shown(finding); i++)
		fprintf(out, "%s%s", i > 0 ? ", " : "", finding->bridges[i]);
	if (finding->bridge_count > SHOWN)
		fprintf(out, " and %u more", finding->bridge_count - SHOWN);
	fputs("; to let it pass: ", out);
	advise(finding, out);
	fputs(rest_of(finding->keeper), out);
	if (!names_every_bridge(finding))
		fputs(" (and the same for the others)", out);
	fclose(out);
	text[size - 1] = '\0';
}
