/* The caller's SSH connection. */
#pragma once

#include "lib/ip.h"

#include <stdbool.h>

/* The address of this host that the caller's SSH connection came to. False: there is none that can
 * be seen. */
bool ssh_server_address(char ret[IP_TEXT_SIZE]);
