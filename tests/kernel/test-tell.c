/* The commands that are told make the same as what is done. */
#include "tests/kernel/connected.h"

#include <stdio.h>
#include <stdlib.h>

/* What of the kernel's state does not depend on chance or on time. */
static char *snapshot(void)
{
	static const char command[] =
	        "for n in '' '-n web'; do ip $n -d -j link | jq -S 'map(del(.ifindex, .link_index, "
	        ".operstate, .linkinfo.info_slave_data) | .flags -= [\"NO-CARRIER\", \"LOWER_UP\", "
	        "\"M-DOWN\"] | "
	        "if .ifalias and .linkinfo.info_kind == \"veth\" then del(.address) else . end | "
	        "if .linkinfo.info_data then .linkinfo.info_data |= with_entries(select(.key | "
	        "test(\"timer|root_|topology\") | not)) else . end)';"
	        " ip $n -j -4 addr | jq -S 'map([.ifname, .addr_info])';"
	        " ip $n -j -4 route show table all type unicast |"
	        " jq -S 'map(.flags -= [\"linkdown\", \"dead\"])'; done";
	FILE *pipe = popen(command, "re");
	char *text = NULL;
	size_t capacity = 0;

	ck_assert_ptr_nonnull(pipe);
	ck_assert(getdelim(&text, &capacity, '\0', pipe) > 0);
	pclose(pipe);
	return text;
}

START_TEST(told_commands_make_the_same)
{
	struct resource list[CONNECTED], pair, retired, renamed, route;
	struct resource last_route = default_route(BRIDGE_IP + 8),
	                second = address("", "netd0", "netd0", BRIDGE_IP + 3);
	struct step steps[CONNECTED + 5];
	char *told = NULL, *ours, *theirs;
	size_t size, count = CONNECTED;
	FILE *out = open_memstream(&told, &size);

	connected(list);
	for (size_t i = 0; i < CONNECTED; i++)
		steps[i] = (struct step){.new = &list[i]};
	pair = list[1];
	route = list[8];
	steps[count++] = (struct step){.old = &route, .new = &last_route};
	steps[count++] = (struct step){.new = &second};
	steps[count++] = (struct step){.old = &list[4]};
	retired = pair;
	retired.link.retired = true;
	renamed = list[3];
	strcpy(renamed.end.ifname, "nv1");
	renamed.end.up = false;
	steps[count++] = (struct step){.old = &pair, .new = &retired};
	steps[count++] = (struct step){.old = &list[3], .new = &renamed};
	for (size_t i = 0; i < count; i++) {
		ck_assert_msg(apply(&steps[i], 1) == 0, "%s", err.text);
		kind_of(&steps[i])->tell(&steps[i], out);
	}
	fclose(out);
	rtnl_forget(kernel->rtnl, NULL);
	ours = snapshot();
	renew();
	shell("set -e; %s", told);
	theirs = snapshot();
	if (strcmp(ours, theirs) != 0)
		fprintf(stderr, "# told:\n%s# ours:\n%s# theirs:\n%s", told, ours, theirs);
	ck_assert(strcmp(ours, theirs) == 0);
	free(told);
	free(ours);
	free(theirs);
}
END_TEST

START_TEST(told_names_are_safe_for_a_shell)
{
	struct resource br = bridge("a;b$(c)");
	char *told = kind_tell(&kind_link, &br, NULL);

	ck_assert_str_eq(told, "ip link del dev 'a;b$(c)'\n");
	free(told);
}
END_TEST

int main(void)
{
	return CONNECTED_RUN("tell", told_commands_make_the_same, told_names_are_safe_for_a_shell);
}
