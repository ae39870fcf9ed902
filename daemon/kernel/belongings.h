/*
 * What an interface has on the host that it loses when it goes into another namespace: whether it
 * is up, its master, its addresses and its routes. As text, one thing a line, so that it can be
 * kept in a file and in the database:
 *
 *     switch disable_ipv6 0
 *     index 7
 *     up
 *     master br0
 *     address 192.0.2.7/24 PEER BROADCAST SCOPE FLAGS VALID PREFERRED LABEL
 *     route 198.51.100.0/24 GATEWAY SOURCE METRIC TABLE PROTOCOL SCOPE
 *
 * What is not there is "-". Numbers are the kernel's (linux/if_addr.h, linux/rtnetlink.h).
 */
#pragma once

#include "daemon/kernel/rtnl.h"

#include <stdio.h>

struct belongings {
	char *text; /* owned */
	char master[IFNAMSIZ];
	bool default_route; /* it carries one, of either family */
	bool has_address;   /* the one that was asked for */
};

/* Reads them; `sought` (family 0: none) is an address that may be among them. */
int belongings_read(struct rtnl *rtnl, const char *ifname, const struct ip *sought,
        struct belongings *ret, struct error *err);

bool belongings_up(const char *text);
/* The index it had; 0: unknown. */
int belongings_index(const char *text);
/* Gives them back to the interface, through a socket of the host. What cannot be given back is
 * logged, and the rest is. */
void belongings_restore(int rtnetlink, const char *ifname, const char *text);
/* The commands for that. */
void belongings_tell(const char *ifname, const char *text, FILE *out);
