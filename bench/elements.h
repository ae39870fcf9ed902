/* The floor's two nf_tables tables: sets of the same shapes as netd's, without rules. */
#pragma once

#include "bench/floor.h"

enum {
	SET_PORTS,
	SET_MAC,
	SET_IP4,
	SET_BRIDGES,
	SET_NETS,
	SET_GATEWAYS,
	SET_MEMBERS,
	SET_PAIRS,
	SET_IN4,
	SET_IN6,
	SET_MASQ,
	SET_ANY4,
	SET_COUNT
};

/* Makes both tables, in one batch. */
void elements_open(struct floor *floor);
/* Adds or removes (NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM) the element `number` of each set from
 * `first` to `last`, in one batch. */
void elements_change(
        struct floor *floor, uint8_t type, unsigned first, unsigned last, uint32_t number);
