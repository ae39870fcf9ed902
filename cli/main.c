/* netd-ctl: all of it is a library, so that tests can run it. */
#include "cli/commands.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
