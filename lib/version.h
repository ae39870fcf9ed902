/* The version that this program was built as. It stands alone in its file, so that a test can build
 * a program of another version. */
#pragma once

extern const char netd_version[];
