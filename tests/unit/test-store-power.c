/*
 * The power goes at any moment: between two calls that write, with what was not synced lost, there,
 * or half there. This program stands between SQLite (and netd) and the C library's calls that
 * change files, keeps what of it is on the disk for certain and what is only on its way, and at
 * each call makes the directories that a cut could leave. Each of them must open, be whole, and
 * hold the state before the commit that was going on or the one after it; after it, once the commit
 * has returned.
 *
 * What the model believes is compared with the real files, so that no call can go past it unseen.
 */
#include "tests/unit/store-fixture.h"
#include "tests/lib/suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define FILES_MAX  32
#define SECTOR     512
#define RANDOM_CUT 6 /* directories drawn at each call, besides the two extremes */

/* Content in memory. */
struct bytes {
	char *data;
	size_t size;
};

/* A write, or with data NULL a truncation to `offset`. */
struct write {
	struct bytes bytes;
	size_t offset;
};

struct file {
	ino_t inode;
	bool alive; /* its inode is its own */
	struct bytes synced;
	struct write *writes; /* since then */
	unsigned count;
};

/* A name that began to lead to a file, or ended to (file NULL). */
struct naming {
	char name[64];
	struct file *file;
};

static struct {
	bool on;
	int depth;
	struct file files[FILES_MAX];
	unsigned file_count;
	struct naming namings[256];
	unsigned naming_count, naming_synced;
	char cut[64]; /* the directory that a cut leaves */
	char instance[INSTANCE_SIZE];
	int acknowledged; /* commits that have returned; -1: not even the opening */
	unsigned calls, cuts;
} disk;

/* --- the model --- */

static void bytes_put(struct bytes *bytes, const struct bytes *with, size_t offset)
{
	if (offset + with->size > bytes->size) {
		bytes->data = realloc(bytes->data, offset + with->size);
		ck_assert_ptr_nonnull(bytes->data);
		memset(bytes->data + bytes->size, 0, offset + with->size - bytes->size);
		bytes->size = offset + with->size;
	}
	if (with->size)
		memcpy(bytes->data + offset, with->data, with->size);
}

static void bytes_apply(struct bytes *bytes, const struct write *write)
{
	if (write->bytes.data)
		bytes_put(bytes, &write->bytes, write->offset);
	else if (write->offset < bytes->size)
		bytes->size = write->offset;
}

static struct bytes bytes_copy(const struct bytes *bytes)
{
	struct bytes copy = {0};

	if (bytes->size)
		bytes_put(&copy, bytes, 0);
	return copy;
}

static struct file *file_of(ino_t inode)
{
	for (unsigned i = 0; i < disk.file_count; i++)
		if (disk.files[i].alive && disk.files[i].inode == inode)
			return &disk.files[i];
	return NULL;
}

static void name(const char *name, struct file *file)
{
	struct naming *naming = &disk.namings[disk.naming_count++];

	ck_assert_uint_lt(disk.naming_count, sizeof(disk.namings) / sizeof(disk.namings[0]));
	snprintf(naming->name, sizeof(naming->name), "%s", name);
	naming->file = file;
}

/* Where the name leads to after so many namings. */
static struct file *named(const char *name, unsigned count)
{
	while (count-- > 0)
		if (strcmp(disk.namings[count].name, name) == 0)
			return disk.namings[count].file;
	return NULL;
}

/* Files that were opened for the first time meanwhile. */
static void look_for_new_files(void)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		struct file *file;

		if (entry->d_name[0] == '.' || named(entry->d_name, disk.naming_count))
			continue;
		ck_assert_uint_lt(disk.file_count, FILES_MAX);
		file = &disk.files[disk.file_count++];
		*file = (struct file){.inode = entry->d_ino, .alive = true};
		name(entry->d_name, file);
	}
	closedir(dir);
}

static bool is_directory(int fd)
{
	struct stat st, ours;

	return fstat(fd, &st) == 0 && stat(directory, &ours) == 0 && st.st_ino == ours.st_ino &&
	       st.st_dev == ours.st_dev;
}

static struct file *file_at(int fd)
{
	struct stat st;

	look_for_new_files();
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? file_of(st.st_ino) : NULL;
}

static void add_write(struct file *file, const void *data, size_t size, size_t offset)
{
	struct bytes bytes = {(char *)data, size};
	struct write *write;

	file->writes = reallocarray(file->writes, file->count + 1, sizeof(*file->writes));
	ck_assert_ptr_nonnull(file->writes);
	write = &file->writes[file->count++];
	*write = (struct write){.offset = offset};
	if (data)
		write->bytes = bytes_copy(&bytes);
}

static void file_sync(struct file *file)
{
	for (unsigned i = 0; i < file->count; i++) {
		bytes_apply(&file->synced, &file->writes[i]);
		free(file->writes[i].bytes.data);
	}
	file->count = 0;
}

static void disk_done(void)
{
	for (unsigned i = 0; i < disk.file_count; i++) {
		file_sync(&disk.files[i]);
		free(disk.files[i].writes);
		free(disk.files[i].synced.data);
	}
}

/* --- what a cut leaves --- */

enum cut { CUT_NOTHING_LOST, CUT_ALL_LOST, CUT_RANDOM };

static struct bytes content(const struct file *file, enum cut cut)
{
	struct bytes bytes = bytes_copy(&file->synced);

	for (unsigned i = 0; i < file->count && cut != CUT_ALL_LOST; i++) {
		struct write write = file->writes[i];

		if (cut == CUT_RANDOM && rand() % 2)
			continue;
		if (cut == CUT_RANDOM && write.bytes.size > SECTOR && rand() % 4 == 0)
			write.bytes.size =
			        (size_t)rand() % (write.bytes.size / SECTOR) * SECTOR + SECTOR;
		bytes_apply(&bytes, &write);
	}
	return bytes;
}

static void write_content(const char *path, const struct bytes *bytes)
{
	FILE *out = fopen(path, "we");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(bytes->data, 1, bytes->size, out), bytes->size);
	ck_assert_int_eq(fclose(out), 0);
}

static void check_content(const char *path, const struct bytes *bytes)
{
	FILE *in = fopen(path, "re");
	char *data = calloc(1, bytes->size + 1);

	ck_assert_ptr_nonnull(in);
	ck_assert_ptr_nonnull(data);
	ck_assert_uint_eq(fread(data, 1, bytes->size + 1, in), bytes->size);
	if (bytes->size)
		ck_assert_mem_eq(data, bytes->data, bytes->size);
	free(data);
	fclose(in);
}

static void each_file(unsigned namings, enum cut cut, const char *in,
        void (*does)(const char *path, const struct bytes *bytes))
{
	for (unsigned i = 0; i < namings; i++) {
		const char *called = disk.namings[i].name;
		struct file *file = named(called, namings);
		struct bytes bytes;
		char path[160];

		if (!file || file != disk.namings[i].file)
			continue;
		bytes = content(file, cut);
		snprintf(path, sizeof(path), "%s/%s", in, called);
		does(path, &bytes);
		free(bytes.data);
	}
}

static void empty_cut(void)
{
	DIR *dir = opendir(disk.cut);
	const struct dirent *entry;

	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

/* How many commits this model has seen; it must hold just what they made (step()). */
static int check_state(const struct model *model)
{
	unsigned networks = model_count(model, TABLE_NETWORKS);
	int state = (int)model_host(model)->next_id - 1;
	char key[KEY_SIZE] = "";
	const struct network *network;

	ck_assert_uint_eq(networks, state < 2 ? (unsigned)state : 2);
	while ((network = model_next(model, TABLE_NETWORKS, key))) {
		int number = atoi(network->name + 1);

		ck_assert(number == state || number == state - 1);
		ck_assert_uint_eq(network->mtu, 1000 + (unsigned)number);
		ck_assert_uint_eq(network->subnet_count, 2);
	}
	ck_assert_uint_eq(model_count(model, TABLE_NAMESPACES), state < 3 ? 0 : 200);
	return state;
}

static void check_cut(unsigned namings, enum cut cut)
{
	struct store *store = NULL;
	struct model *model;
	struct error err = {0};
	int state;

	empty_cut();
	each_file(namings, cut, disk.cut, write_content);
	ck_assert_msg(store_open(&store, disk.cut, disk.cut, &err) == 0, "call %u: %s", disk.calls,
	        err.text);
	ck_assert_ptr_null(store_refused(store));
	model = load(store);
	state = check_state(model);
	if (disk.acknowledged >= 0)
		ck_assert_str_eq(store_instance(store), disk.instance);
	ck_assert_msg(state >= disk.acknowledged && state <= disk.acknowledged + 1,
	        "call %u: %d commits have returned, and the disk has %d", disk.calls,
	        disk.acknowledged, state);
	model_free(model);
	store_close(store);
	disk.cuts++;
}

static void power_goes(void)
{
	unsigned unsure = disk.naming_count - disk.naming_synced;

	disk.calls++;
	each_file(disk.naming_count, CUT_NOTHING_LOST, directory, check_content);
	check_cut(disk.naming_count, CUT_NOTHING_LOST);
	check_cut(disk.naming_synced, CUT_ALL_LOST);
	for (int i = 0; i < RANDOM_CUT; i++)
		check_cut(disk.naming_synced + (unsigned)rand() % (unsure + 1), CUT_RANDOM);
}

/* --- between the library and the kernel --- */

/* Whether this call is to be noted: not one that a check makes itself. */
static bool enter(void)
{
	return disk.on && disk.depth++ == 0;
}

static void leave(bool noted)
{
	if (noted)
		power_goes();
	if (disk.on)
		disk.depth--;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	bool first = enter();
	struct file *file = first ? file_at(fd) : NULL;
	ssize_t done = syscall(SYS_pwrite64, fd, data, size, offset);

	if (file && done > 0)
		add_write(file, data, (size_t)done, (size_t)offset);
	leave(file);
	return done;
}

static int synced(int fd)
{
	bool first = enter();
	struct file *file = first ? file_at(fd) : NULL;
	bool noted = file || (first && is_directory(fd));

	if (file)
		file_sync(file);
	else if (noted)
		disk.naming_synced = disk.naming_count;
	leave(noted);
	return 0;
}

int fdatasync(int fd)
{
	return synced(fd);
}

int fsync(int fd)
{
	return synced(fd);
}

int ftruncate64(int fd, off64_t size)
{
	bool first = enter();
	struct file *file = first ? file_at(fd) : NULL;
	int r = (int)syscall(SYS_ftruncate, fd, size);

	if (file && r == 0)
		add_write(file, NULL, 0, (size_t)size);
	leave(file);
	return r;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int unlinkat(int dir, const char *path, int flags)
{
	bool first = enter();
	struct file *file = NULL;
	int r;

	if (first) {
		look_for_new_files();
		file = named(last_part(path), disk.naming_count);
	}
	r = (int)syscall(SYS_unlinkat, dir, path, flags);
	if (file && r == 0) {
		name(last_part(path), NULL);
		file->alive = false;
	}
	leave(file && r == 0);
	return r;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	bool first = enter();
	int r = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);

	if (first && r == 0) {
		struct file *file = named(from, disk.naming_count);

		name(to, file);
		name(from, NULL);
	}
	leave(first && r == 0);
	return r;
}

/* --- the story --- */

/* One commit: a network comes, the last but one goes; the third also brings what fills many pages.
 */
static void step(struct store *store, struct model *model)
{
	struct model *fork = model_fork(model);
	int number = (int)model_host(model)->next_id;
	struct network network;
	char id[ID_SIZE], called[16];

	snprintf(called, sizeof(called), "n%d", number);
	network = a_network(called);
	network.mtu = 1000 + (unsigned)number;
	ck_assert_int_eq(model_put_network(fork, &network), 0);
	snprintf(called, sizeof(called), "n%d", number - 2);
	ck_assert_int_eq(model_remove(fork, TABLE_NETWORKS, called), 0);
	for (int i = 0; number == 3 && i < 200; i++) {
		struct namespace ns = {.origin = ORIGIN_CREATED};

		snprintf(ns.name, sizeof(ns.name), "namespace-%d", i);
		ck_assert_int_eq(model_put_namespace(fork, &ns), 0);
	}
	ck_assert_int_eq(model_new_id(fork, id), 0);
	commit(store, fork);
	disk.acknowledged++;
	model_merge(fork, model);
}

static void steps(int count)
{
	struct store *store = open_store();
	struct model *model = load(store);

	memcpy(disk.instance, store_instance(store), INSTANCE_SIZE);
	if (disk.acknowledged < 0)
		disk.acknowledged = 0;
	for (int i = 0; i < count; i++)
		step(store, model);
	model_free(model);
	store_close(store);
}

/* The number of the test is the seed of what is lost. */
START_TEST(a_power_cut_leaves_the_state_before_or_after_a_commit)
{
	srand((unsigned)_i + 1);
	strcpy(disk.cut, "/tmp/test-store-cut-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(disk.cut));
	disk.acknowledged = -1;
	disk.on = true;
	steps(5);
	steps(2);
	disk.on = false;
	disk_done();
	empty_cut();
	rmdir(disk.cut);
	ck_assert_int_eq(disk.acknowledged, 7);
	ck_assert_uint_gt(disk.calls, 50);
	printf("# %u calls, %u cuts\n", disk.calls, disk.cuts);
}
END_TEST

int main(void)
{
	TCase *tests = store_case();

	tcase_add_loop_test(tests, a_power_cut_leaves_the_state_before_or_after_a_commit, 0, 4);
	return SUITE_CASES(tests);
}
