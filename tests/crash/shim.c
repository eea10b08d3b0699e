/* Preloaded into a process that writes a journal: records what it asks of the disk, and fails the k-th request when told.

   Built at test time:  cc -shared -fPIC -O1 -o shim.so shim.c -ldl
   LABCTL_SHIM_LOG names the record. Only files whose path has "/journal.db" in it count, the shared index apart, those called "head", and folders.
   One operation of the record: kind, length of name, offset, size (host order), name, and the bytes of a write.
   Kinds: C created, W written, T cut to a length, U removed, S synced, D folder synced. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define MOST 1024
static char names[MOST][64];
static int record = -2;
static long countdown = 0, seen = 0;
static int number = EIO;

/* Fail the k-th write, sync or cut from now on with this number; 0 fails none. */
void labctl_arm(long k, int error) { countdown = k; number = error; seen = 0; }

/* Return how many such requests there were since. */
long labctl_seen(void) { return seen; }

static const char *tracked(const char *path) {
    const char *base = strrchr(path, '/');
    if (!base || (strncmp(base, "/journal.db", 11) != 0 && strcmp(base, "/head") != 0) || strstr(base, "-shm")) return NULL;
    return strlen(base + 1) < sizeof names[0] ? base + 1 : NULL;
}

static void note(char kind, const char *name, int64_t offset, const void *data, int64_t size) {
    if (record == -2) {
        const char *path = getenv("LABCTL_SHIM_LOG");
        record = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    }
    if (record < 0) return;
    char head[18 + 64];
    size_t length = strlen(name);
    head[0] = kind;
    head[1] = (char)length;
    memcpy(head + 2, &offset, 8);
    memcpy(head + 10, &size, 8);
    memcpy(head + 18, name, length);
    syscall(SYS_write, record, head, 18 + length);
    if (data) syscall(SYS_write, record, data, (size_t)size);
}

static int fails(void) {
    seen++;
    if (countdown > 0 && --countdown == 0) { errno = number; return 1; }
    return 0;
}

static int opened(const char *path, int flags, mode_t mode) {
    const char *name = tracked(path);
    struct stat before;
    int fresh = name && (flags & O_CREAT) && stat(path, &before) != 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd < 0 || fd >= MOST) return fd;
    names[fd][0] = 0;
    if (name) {
        strcpy(names[fd], name);
        if (fresh) note('C', name, 0, NULL, 0);
        if (flags & O_TRUNC) note('T', name, 0, NULL, 0);
    }
    return fd;
}

#define OPENS(function) \
    int function(const char *path, int flags, ...) { \
        va_list more; va_start(more, flags); mode_t mode = (flags & O_CREAT) ? va_arg(more, mode_t) : 0; va_end(more); \
        return opened(path, flags, mode); }
OPENS(open)
OPENS(open64)

int close(int fd) {
    if (fd >= 0 && fd < MOST) names[fd][0] = 0;
    return (int)syscall(SYS_close, fd);
}

static int known(int fd) { return fd >= 0 && fd < MOST && names[fd][0]; }

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    if (known(fd) && fails()) return -1;
    ssize_t done = syscall(SYS_pwrite64, fd, data, size, offset);
    if (known(fd) && done > 0) note('W', names[fd], offset, data, done);
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

ssize_t write(int fd, const void *data, size_t size) {
    if (known(fd) && fails()) return -1;
    int64_t offset = known(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = syscall(SYS_write, fd, data, size);
    if (known(fd) && done > 0) note('W', names[fd], offset, data, done);
    return done;
}

int ftruncate64(int fd, off64_t size) {
    if (known(fd) && fails()) return -1;
    int done = (int)syscall(SYS_ftruncate, fd, size);
    if (known(fd) && done == 0) note('T', names[fd], size, NULL, 0);
    return done;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int unlink(const char *path) {
    const char *name = tracked(path);
    int done = (int)syscall(SYS_unlink, path);
    if (name && done == 0) note('U', name, 0, NULL, 0);
    return done;
}

static int synced(int fd, long call) {
    struct stat what;
    if (known(fd)) {
        if (fails()) return -1;
        int done = (int)syscall(call, fd);
        if (done == 0) note('S', names[fd], 0, NULL, 0);
        return done;
    }
    int done = (int)syscall(call, fd);
    if (done == 0 && fstat(fd, &what) == 0 && S_ISDIR(what.st_mode)) note('D', "", 0, NULL, 0);
    return done;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }
