/*
 * A target without libFuzzer: its kept cases, each once, as one point of TAP. What was found once
 * is a test from then on, with every compiler.
 *
 *   replay-TARGET DIRECTORY                every file in it
 *   replay-TARGET FILE...                  these
 *   replay-TARGET --record FILE INSTANCE FIRST
 *                                          makes a seed: asks this host as the target does where
 * the first byte is FIRST, and keeps the answers
 */
#include "lib/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/outside.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static void replay(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) uint8_t *bytes = NULL;
	struct stat file;

	REQUIRE(fd >= 0 && fstat(fd, &file) == 0, "%s", path);
	/* of its very size, so that a read behind its end is seen */
	bytes = malloc((size_t)file.st_size);
	REQUIRE(bytes || file.st_size == 0, "memory");
	REQUIRE(read(fd, bytes, (size_t)file.st_size) == file.st_size, "%s", path);
	fprintf(stderr, "# %s\n", path);
	LLVMFuzzerTestOneInput(bytes, (size_t)file.st_size);
}

static unsigned replay_directory(const char *path)
{
	struct dirent **entries;
	unsigned replayed = 0;
	int count = scandir(path, &entries, NULL, alphasort);

	REQUIRE(count >= 0, "%s", path);
	for (int i = 0; i < count; i++) {
		char name[PATH_MAX];

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.') {
			replay(name);
			replayed++;
		}
		free(entries[i]);
	}
	free(entries);
	return replayed;
}

int main(int argc, char **argv)
{
	unsigned replayed = 0;
	struct stat file;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	if (argc == 5 && strcmp(argv[1], "--record") == 0) {
		REQUIRE(outside_record(argv[2], argv[3], argv[4][0]), "%s", argv[2]);
		return LLVMFuzzerTestOneInput((const uint8_t *)argv[4], 1);
	}
	for (int i = 1; i < argc; i++) {
		REQUIRE(stat(argv[i], &file) == 0, "%s", argv[i]);
		if (S_ISDIR(file.st_mode)) {
			replayed += replay_directory(argv[i]);
		} else {
			replay(argv[i]);
			replayed++;
		}
	}
	printf("1..1\n%s 1 - %u kept cases\n", replayed ? "ok" : "not ok", replayed);
	return !replayed;
}
