/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "sessions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "descriptors.h"
#include "uapi/live_update.h"

#define GUEST_MEMFD_MAGIC 0x474d454d
#define SESSION_LINK	  "anon_inode:[luo_session] "

/* Others choose these names: nothing of them may reach a terminal that is no character. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static void ask_session(struct found *found)
{
	int fd = process_take_fd(found->pid, found->fd);
	struct gmem_session *session;

	if (fd < 0)
		return;
	if (gmem_session_adopt(fd, &session, NULL)) {
		close(fd);
		return;
	}
	found->direction = gmem_session_get_direction(session);
	gmem_session_release(session);
}

static void ask_file(struct found *found)
{
	int fd = process_take_fd(found->pid, found->fd);
	struct gmem *gmem;

	if (fd < 0)
		return;
	if (gmem_adopt(fd, NULL, &gmem, NULL)) {
		close(fd);
		return;
	}
	found->size = gmem_get_size(gmem);
	found->asked = !gmem_get_live_update(gmem, &found->live_update, NULL);
	gmem_release(gmem);
}

static int keep(struct sessions *sessions, const struct found *found)
{
	struct found *grown =
		realloc(sessions->found, (sessions->founds + 1) * sizeof(*sessions->found));

	if (!grown)
		return -ENOMEM;
	sessions->found = grown;
	grown[sessions->founds++] = *found;
	return 0;
}

static int look_at_fd(struct sessions *sessions, pid_t pid, int fd)
{
	struct found found = { .pid = pid, .fd = fd };
	char path[64], link[256];
	struct statfs fs;
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	size = readlink(path, link, sizeof(link) - 1);
	if (size < 0)
		return 0;
	link[size] = '\0';
	found.is_session = !strncmp(link, SESSION_LINK, strlen(SESSION_LINK));
	if (found.is_session) {
		snprintf(found.name, sizeof(found.name), "%.*s", GMEM_SESSION_NAME_MAX,
			 link + strlen(SESSION_LINK));
		ask_session(&found);
	} else if (!strstr(link, "kvm-gmem") || statfs(path, &fs) ||
		   fs.f_type != GUEST_MEMFD_MAGIC) {
		return 0;
	} else {
		ask_file(&found);
	}
	process_name("/proc", pid, found.command, sizeof(found.command));
	make_printable(found.name);
	return keep(sessions, &found);
}

static int look_at_process(struct sessions *sessions, pid_t pid)
{
	struct dirent *entry;
	char path[64];
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir) {
		sessions->all_seen &= errno == ENOENT;
		return 0;
	}
	while (!err && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			err = look_at_fd(sessions, pid, atoi(entry->d_name));
	closedir(dir);
	return err;
}

static int look_at_processes(struct sessions *sessions)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int err = 0;

	sessions->all_seen = dir;
	while (dir && !err && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			err = look_at_process(sessions, (pid_t)atoi(entry->d_name));
	if (dir)
		closedir(dir);
	return err;
}

/* What the kernel took over from the one before has a name in debugfs. (Its bytes may be somebody
 * else's by now.) */
static void look_at_before(struct sessions *sessions)
{
	sessions->before_known = !access("/sys/kernel/debug/kho", X_OK);
	sessions->before_sent = !access("/sys/kernel/debug/kho/in/sub_fdts/LUO", F_OK);
}

/* Open for a moment only: somebody else may want it. */
static int try_device(void)
{
	int fd = open(GMEM_UAPI_LIVEUPDATE_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int ask_kvm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), value;

	if (kvm < 0)
		return -1;
	value = ioctl(kvm, GMEM_UAPI_CHECK_EXTENSION, GMEM_CAP_LIVE_UPDATE);
	close(kvm);
	return value < 0 ? 0 : value;
}

int sessions_find(struct sessions *sessions)
{
	*sessions = (struct sessions){ .device = try_device(), .preserves = ask_kvm() };
	look_at_before(sessions);
	return look_at_processes(sessions);
}

void sessions_free(struct sessions *sessions)
{
	free(sessions->found);
	*sessions = (struct sessions){ 0 };
}
