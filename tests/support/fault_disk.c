/* Preloaded into a server: writes to its event log fail while a file says so.
 *
 * FAULT_DISK names that file. It holds one word: `eio` or `enospc` for writes to log.db and what
 * lies beside it, `full` for the latter while there is a log.db.reserve, `scant` for a disk that
 * says that nothing is left and takes all the same, `reads` for reads of it, `renames` for giving a
 * new file the name log.db, `taken` for the same, which is done and fails nevertheless, `links` for
 * giving any file a second name, `moves` for both of `renames` and `links`, `readonly` for opening
 * anything in the data directory, which FAULT_DISK_DIR names, to write, and for removing it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The word; empty for none. */
static void mode(char word[16]) {
  const char *path = getenv("FAULT_DISK");
  memset(word, 0, 16);
  int fd = path ? NEXT(open)(path, O_RDONLY) : -1;
  if (fd < 0) return;
  if (NEXT(read)(fd, word, 15) < 0) word[0] = 0;
  close(fd);
}

static int is_log(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  const char *name = strrchr(path, '/');
  return name && strncmp(name, "/log.db", 7) == 0 && !strstr(name, "-shm");
}

/* Whether the disk has no room but that of the reserve, which is still taken. */
static int full(const char *word) {
  const char *dir = getenv("FAULT_DISK_DIR");
  char path[4096];
  snprintf(path, sizeof path, "%s/log.db.reserve", dir ? dir : "");
  return strcmp(word, "full") == 0 && access(path, F_OK) == 0;
}

/* Whether a write fails; sets errno. */
static int broken(int fd) {
  int before = errno;
  char word[16];
  if (!is_log(fd)) { errno = before; return 0; }
  mode(word);
  errno = before;
  if (strcmp(word, "eio") == 0) errno = EIO;
  else if (strcmp(word, "enospc") == 0 || full(word)) errno = ENOSPC;
  else return 0;
  return 1;
}

static int unreadable(int fd) {
  int before = errno;
  char word[16];
  if (!is_log(fd)) { errno = before; return 0; }
  mode(word);
  errno = before;
  if (strcmp(word, "reads") != 0) return 0;
  errno = EIO;
  return 1;
}

static int shut(const char *path, int flags) {
  const char *dir = getenv("FAULT_DISK_DIR");
  char word[16];
  if (!dir || (flags & (O_WRONLY | O_RDWR | O_CREAT)) == 0) return 0;
  if (strncmp(path, dir, strlen(dir)) != 0) return 0;
  mode(word);
  if (strcmp(word, "readonly") != 0) return 0;
  errno = EROFS;
  return 1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
  return broken(fd) ? -1 : NEXT(pwrite64)(fd, bytes, length, at);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  return broken(fd) ? -1 : NEXT(pwrite)(fd, bytes, length, at);
}
ssize_t write(int fd, const void *bytes, size_t length) {
  return broken(fd) ? -1 : NEXT(write)(fd, bytes, length);
}
ssize_t pread64(int fd, void *bytes, size_t length, off64_t at) {
  return unreadable(fd) ? -1 : NEXT(pread64)(fd, bytes, length, at);
}
ssize_t pread(int fd, void *bytes, size_t length, off_t at) {
  return unreadable(fd) ? -1 : NEXT(pread)(fd, bytes, length, at);
}
ssize_t read(int fd, void *bytes, size_t length) {
  return unreadable(fd) ? -1 : NEXT(read)(fd, bytes, length);
}
int ftruncate64(int fd, off64_t length) { return broken(fd) ? -1 : NEXT(ftruncate64)(fd, length); }
int fsync(int fd) { return broken(fd) ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return broken(fd) ? -1 : NEXT(fdatasync)(fd); }

/* Whether the disk tells of no room. */
static int scant(void) {
  char word[16];
  mode(word);
  return full(word) || strcmp(word, "scant") == 0;
}
int statfs(const char *path, struct statfs *found) {
  int answer = NEXT(statfs)(path, found);
  if (scant()) found->f_bavail = 0;
  return answer;
}
int statfs64(const char *path, struct statfs64 *found) {
  int answer = NEXT(statfs64)(path, found);
  if (scant()) found->f_bavail = 0;
  return answer;
}

int rename(const char *from, const char *to) {
  const char *name = strrchr(to, '/');
  char word[16];
  mode(word);
  if (!name || strcmp(name, "/log.db") != 0 || strstr(from, ".replaced")) word[0] = 0;
  int taken = strcmp(word, "taken") == 0;
  if (taken || strcmp(word, "renames") == 0 || strcmp(word, "moves") == 0) {
    if (taken) NEXT(rename)(from, to);
    errno = EIO;
    return -1;
  }
  return NEXT(rename)(from, to);
}

static int single(void) {
  char word[16];
  mode(word);
  if (strcmp(word, "links") != 0 && strcmp(word, "moves") != 0) return 0;
  errno = EPERM;
  return 1;
}
int link(const char *from, const char *to) { return single() ? -1 : NEXT(link)(from, to); }
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
  return single() ? -1 : NEXT(linkat)(from_dir, from, to_dir, to, flags);
}

int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t bits = va_arg(more, mode_t);
  va_end(more);
  return shut(path, flags) ? -1 : NEXT(open64)(path, flags, bits);
}
int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t bits = va_arg(more, mode_t);
  va_end(more);
  return shut(path, flags) ? -1 : NEXT(open)(path, flags, bits);
}
int unlink(const char *path) { return shut(path, O_RDWR) ? -1 : NEXT(unlink)(path); }
int unlinkat(int dir, const char *path, int flags) {
  return shut(path, O_RDWR) ? -1 : NEXT(unlinkat)(dir, path, flags);
}
