/* An empty ruleset in a private host, and a kernel that has nf_tables only: what every test of
 * nf_tables begins with. */
#pragma once

#include "daemon/kernel/nft.h"
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <check.h>

static struct kernel *kernel;
static struct error err;

/* A netd that begins. What the one before left in the kernel is there. */
static inline void begin(bool own)
{
	ck_assert_msg(nft_open(&kernel->nft, own, &err) == 0, "%s", err.text);
}

static void setup(void)
{
	shell("nft flush ruleset");
	kernel = kind_kernel();
	begin(false);
}

static void teardown(void)
{
	kernel->nft = nft_close(kernel->nft);
	kernel = kind_kernel_free(kernel);
}
