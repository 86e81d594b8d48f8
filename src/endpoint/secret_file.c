/*-------------------------------------------------------------------------
 *
 * secret_file.c
 *	  Files that hold secrets of user mappings, see secret_file.h.
 *
 * Runs in any process, as the account of the server.  Only superusers name a
 * file, and nothing of it is shown to anybody: its contents are sent to the
 * endpoint.  Contents are kept until the file changes, so that each request
 * costs a stat() only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/errors.h"
#include "endpoint/secret_file.h"

#define FILE_BYTES_MAX (64 * 1024)

/* files that are kept */
#define KEPT_MAX 64

/* a file as it was read */
typedef struct KeptFile
{
	char	   *path;			/* NULL: free */
	struct stat was;
	char	   *text;
	size_t		len;
} KeptFile;

static KeptFile kept[KEPT_MAX];
static int	next_free = 0;

/* Is it the same file with the same contents? */
static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
		a->st_size == b->st_size && a->st_mode == b->st_mode &&
		a->st_uid == b->st_uid &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
		a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
		a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Why a file must not be used, or NULL; as the server's check of its keys. */
static const char *
fault_of(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "It is not a regular file.";
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return "It belongs neither to the server's account nor to root.";
	if (st->st_mode & (st->st_uid == geteuid() ? S_IRWXG | S_IRWXO
					   : S_IWGRP | S_IXGRP | S_IRWXO))
		return "Others can read or change it.";
	if (st->st_size > FILE_BYTES_MAX)
		return "It is larger than 64 kB.";
	return NULL;
}

/* Raises an error about the file; "detail" has no part of its contents. */
JDG_NORETURN static void
refuse(const JdgOption *option, const char *path, const char *detail)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("file of option \"%s_file\" cannot be used", option->name),
			 errdetail("%s", detail),
			 errdetail_log("File \"%s\": %s", path, detail),
			 errhint("Let it belong to the server's account, with mode 0600.")));
}

/* Forgets a file and its contents. */
static void
forget(KeptFile *k)
{
	if (k->path == NULL)
		return;
	explicit_bzero(k->text, k->len);
	pfree(k->text);
	pfree(k->path);
	k->path = NULL;
}

/* The place of a file, or that of another one, which is forgotten. */
static KeptFile *
place_of(const char *path)
{
	for (int i = 0; i < KEPT_MAX; i++)
	{
		if (kept[i].path != NULL && strcmp(kept[i].path, path) == 0)
			return &kept[i];
	}
	next_free = (next_free + 1) % KEPT_MAX;
	forget(&kept[next_free]);
	return &kept[next_free];
}

/* Reads so many bytes of a file that is open; fewer if it ends. */
static ssize_t
read_all(int fd, char *buffer, size_t size)
{
	size_t		done = 0;

	while (done < size)
	{
		ssize_t		n = read(fd, buffer + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

/* Keeps the contents without the end of the last line. */
static void
keep(KeptFile *k, const char *path, const struct stat *st, const char *buffer,
	 size_t len)
{
	if (len > 0 && buffer[len - 1] == '\n')
		len--;
	if (len > 0 && buffer[len - 1] == '\r')
		len--;
	forget(k);
	k->text = MemoryContextAlloc(TopMemoryContext, len + 1);
	memcpy(k->text, buffer, len);
	k->text[len] = '\0';
	k->len = len;
	k->was = *st;
	k->path = MemoryContextStrdup(TopMemoryContext, path);
}

/*
 * Opens the file, and checks what has been opened, so that it cannot be
 * exchanged in between.  A pipe does not make us wait.
 */
static void
read_file(const JdgOption *option, const char *path, KeptFile *k)
{
	char	   *buffer = palloc(FILE_BYTES_MAX + 1);
	int			fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	const char *fault;
	ssize_t		len;

	if (fd < 0 || fstat(fd, &st) != 0)
		refuse(option, path, psprintf("Could not open it: %s.", strerror(errno)));
	fault = fault_of(&st);
	if (fault)
		refuse(option, path, fault);
	len = read_all(fd, buffer, FILE_BYTES_MAX + 1);
	if (len < 0)
		refuse(option, path, psprintf("Could not read it: %s.", strerror(errno)));
	if (len > FILE_BYTES_MAX)
		refuse(option, path, "It is larger than 64 kB.");
	if (memchr(buffer, '\0', len) != NULL)
		refuse(option, path, "It has a zero byte.");
	CloseTransientFile(fd);
	keep(k, path, &st, buffer, len);
	explicit_bzero(buffer, len);
	pfree(buffer);
}

const char *
jdg_secret_file_read(const JdgOption *option, const char *path)
{
	KeptFile   *k = place_of(path);
	struct stat st;

	if (k->path == NULL || stat(path, &st) != 0 || !is_same(&st, &k->was))
		read_file(option, path, k);
	jdg_value_check_secret(option, k->text);
	return pstrdup(k->text);
}

const char *
jdg_secret_file_problem(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return psprintf("Could not open it: %s.", strerror(errno));
	return fault_of(&st);
}
