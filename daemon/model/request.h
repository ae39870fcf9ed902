/* Typed requests and answers: what api/ makes of bytes, and what the rules make of requests. */
#pragma once

#include "daemon/model/model.h"

#include <stdio.h>

enum request_kind {
	/* from outside */
	REQUEST_NETWORK_CREATE,
	REQUEST_NETWORK_SET,
	REQUEST_NETWORK_ALLOW,
	REQUEST_NETWORK_DISALLOW,
	REQUEST_NETWORK_REMOVE,
	REQUEST_NETWORK_PRUNE,
	REQUEST_NS_CREATE,
	REQUEST_NS_ATTACH,
	REQUEST_NS_SET,
	REQUEST_NS_REMOVE,
	REQUEST_NS_PRUNE,
	REQUEST_MOVE_IN,
	REQUEST_MOVE_OUT,
	REQUEST_CONNECT,
	REQUEST_ENDPOINT_SET,
	REQUEST_DISCONNECT,
	REQUEST_NS_LINK,
	REQUEST_NS_LINK_SET,
	REQUEST_NS_UNLINK,
	REQUEST_PUBLISH,
	REQUEST_UNPUBLISH,
	/* from within */
	REQUEST_NS_RELEASE, /* someone removed a namespace: netd lets go of it */
	REQUEST_HOST,       /* interfaces or resolvers of the host are as `host` says now */
	REQUEST_REAP, /* what is gone from the kernel leaves the model, if nothing else takes it
	                 along */
};

/* Why netd lets go of a namespace. */
enum release_reason {
	RELEASE_REMOVED,  /* its name is gone, or is another one's */
	RELEASE_REPLACED, /* what it was found by leads elsewhere, or nowhere */
	RELEASE_ENDED,    /* no process is left in it */
};

/* What may be left to netd. */
enum choice { CHOICE_OPEN, CHOICE_NO, CHOICE_YES };

struct request {
	enum request_kind kind;
	bool dry_run;
	bool exist_ok;
	bool force;
	bool forget; /* disconnect: its addresses are anyone's */

	char network[NAME_SIZE];   /* "": not given */
	char namespace[NAME_SIZE]; /* "": not given */

	/* network create */
	struct subnet subnets[SUBNETS_MAX]; /* gateway: family 0 where it is not given */
	unsigned subnet_count;
	enum choice ip4, ip6; /* whether it is to have that family */
	char bridge[IFNAMSIZ];

	/* The settings that a request carries, in the object that it is about; owned. */
	uint64_t given; /* which of them; bits of setting_bit() */
	struct network wanted_network;
	struct namespace wanted_namespace;
	struct endpoint wanted_endpoint;
	struct publication wanted_publication;
	struct ns_link wanted_ns_link;

	/* connect */
	struct ip ips[SUBNETS_MAX];
	unsigned ip_count;
	bool has_mac;
	uint8_t mac[MAC_SIZE];
	char ifname[IFNAMSIZ];
	bool existing; /* do not create a missing namespace */

	/* ns link; and what finds a link, where `link` does not */
	struct ns_link_end ends[2]; /* ifname "", mac all zero: left to netd, or any */
	char link[ID_SIZE];         /* of the link to set or to remove; "": by its ends */

	/* ns attach */
	char source[SOURCE_SIZE]; /* the number of a process, or a path */

	/* ns remove */
	bool detach; /* only the name that netd gave to what someone else made */

	/* move in, move out; the name inside is `ifname` */
	char interface[IFNAMSIZ];
	struct ip caller_address; /* of this host, that the caller came to; family 0: unknown */

	/* prune */
	char *label_filter; /* owned: lines of KEY or KEY=VALUE; NULL: all */

	/* publish, unpublish (one) */
	struct port_spec ports[SPECS_MAX];
	unsigned port_count;
	char publication[ID_SIZE]; /* unpublish by id; "": by ports */

	/* within */
	enum release_reason release;
	struct host host;
	struct interface *interfaces; /* owned */
	unsigned interface_count;

	unsigned caller_uid; /* for the log */
	int caller_pid;
};

#define WARNINGS_MAX 8
#define WARNING_SIZE 512

/* Who has the port that was asked for: told beside an ERROR_EXISTS of publish. */
struct listener_info {
	bool present; /* else it is no such error */
	uint8_t protocol;
	struct ip ip;
	uint16_t port;
	uint32_t inode; /* of the socket */
	char unit[128]; /* its systemd unit or cgroup path; "" where unknown */
};

/* What came of a request. Objects are named, and read from the model once it is committed. */
struct answer {
	char network[NAME_SIZE];
	char namespace[NAME_SIZE];
	char interface[IFNAMSIZ];
	char publications[SPECS_MAX][ID_SIZE]; /* published, in the order of the request */
	unsigned publication_count;
	bool created_namespace; /* connect made it, too */
	char link[ID_SIZE];
	bool created_ends[2]; /* ns link made this namespace, too */
	bool existed;         /* --exist-ok, and it was there */
	char *plan;           /* dry run: one command per line; owned; NULL otherwise */
	char *removed;        /* what went, one sentence per line; owned; NULL otherwise */
	struct listener_info listener;
	char warnings[WARNINGS_MAX][WARNING_SIZE];
	unsigned warning_count;
};

/* Adds a sentence to `removed`. -ENOMEM: it was not added. */
int answer_removed(struct answer *answer, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
void request_done(struct request *request);
/* Copies a request, which then owns what `from` owned. */
void request_move(struct request *from, struct request *to);
/* Of one to move an interface in: what it is to be called there. */
const char *request_name_inside(const struct request *request);
/* A changing request in the words of the command line. */
void request_describe(const struct request *request, char *text, size_t size);
void answer_done(struct answer *answer);
/* Adds a sentence; the ninth and later are dropped. */
void answer_warn(struct answer *answer, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
