-- A database of netd 0.1.0 (schema 1) with an object of every kind.
-- What was released does not change: the next schema gets a file of its own beside this one.
PRAGMA application_id=1852142692;
PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE endpoint_addresses (namespace TEXT NOT NULL, endpoint INTEGER NOT NULL, position INTEGER NOT NULL, address TEXT NOT NULL, prefix INTEGER NOT NULL, PRIMARY KEY (namespace, endpoint, position)) STRICT, WITHOUT ROWID;
INSERT INTO "endpoint_addresses" VALUES('web',0,0,'10.2.0.2',24);
INSERT INTO "endpoint_addresses" VALUES('web',1,0,'10.1.0.2',24);
CREATE TABLE endpoints (namespace TEXT NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, network TEXT NOT NULL, ifname TEXT NOT NULL, host_ifname TEXT NOT NULL, mac TEXT NOT NULL, PRIMARY KEY (namespace, position)) STRICT, WITHOUT ROWID;
INSERT INTO "endpoints" VALUES('web',0,'abcdef012345','second','eth0','nvabcdef0123','02:00:00:00:00:02');
INSERT INTO "endpoints" VALUES('web',1,'abcdef012345','first','eth0','nvabcdef0123','02:00:00:00:00:02');
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), instance TEXT NOT NULL, next_id INTEGER NOT NULL, boot_id TEXT NOT NULL, generation INTEGER NOT NULL) STRICT;
INSERT INTO "meta" VALUES(1,'b6cde2115e2826548756630fd3023b6a',2,'',1);
CREATE TABLE namespaces (name TEXT PRIMARY KEY, origin TEXT NOT NULL, cookie INTEGER NOT NULL, boot_id TEXT NOT NULL, own_route INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "namespaces" VALUES('alone','created',0,'',0);
INSERT INTO "namespaces" VALUES('web','adopted',-81985529216486896,'01234567-89ab-cdef-0123-456789abcdef',1);
CREATE TABLE networks (name TEXT PRIMARY KEY, id TEXT NOT NULL, driver TEXT NOT NULL, bridge TEXT NOT NULL, mac TEXT NOT NULL, mtu INTEGER NOT NULL, internal INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "networks" VALUES('first','0123456789ab','bridge','br-first','02:00:00:00:00:01',1400,1);
INSERT INTO "networks" VALUES('second','0123456789ab','bridge','br-second','02:00:00:00:00:01',1400,1);
CREATE TABLE publications (id TEXT PRIMARY KEY, protocol INTEGER NOT NULL, host_ip TEXT NOT NULL, host_port INTEGER NOT NULL, host_port_end INTEGER NOT NULL, port INTEGER NOT NULL, namespace TEXT NOT NULL, network TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "publications" VALUES('00000000000a',17,'0.0.0.0',8080,8090,80,'web','');
CREATE TABLE subnets (network TEXT NOT NULL, position INTEGER NOT NULL, address TEXT NOT NULL, prefix INTEGER NOT NULL, gateway TEXT, PRIMARY KEY (network, position)) STRICT, WITHOUT ROWID;
INSERT INTO "subnets" VALUES('first',0,'10.1.0.0',24,'10.1.0.1');
INSERT INTO "subnets" VALUES('second',0,'10.2.0.0',24,'10.2.0.1');
CREATE TABLE tombstones (id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, namespace TEXT NOT NULL, origin TEXT NOT NULL, network TEXT NOT NULL, cookie INTEGER NOT NULL, protocol INTEGER NOT NULL, ip TEXT, port INTEGER NOT NULL, through INTEGER NOT NULL, match TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "tombstones" VALUES('00000000000b','flows','','','created','first',0,6,'10.1.0.9',53,8080,'original-local');
INSERT INTO "tombstones" VALUES('00000000000c','netns','gone','','adopted','',-1,0,NULL,0,0,'reply-source');
COMMIT;
