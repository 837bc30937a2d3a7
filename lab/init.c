/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The first process of the lab's guest. It makes the host's file system the root (read-only
 * underneath, changes kept in memory), runs one command with its output on virtio ports, says
 * how the command ended and, in a live update, starts the next kernel with kexec.
 *
 * From the host (lab/guest.sh), over the 9p share "job": cwd, argv, env (the last two with a NUL
 * after each string), and, in a live update, kernel and initrd. On the kernel's command line, which
 * arrives here as environment: LAB_STAGE, LAB_CYCLES, LAB_LEAKS, LAB_TTY (rows and columns),
 * LAB_FIRST_CPU (the first one for the command).
 * To the host, over the port "lab.status", one line each: "up STAGE", "exit STAGE STATUS",
 * "taint NUMBER", "error TEXT".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define P9	    "trans=virtio,version=9p2000.L,msize=262144"
#define LEAK_AGE    6 /* seconds; kmemleak reports nothing younger than five */
#define MAX_STRINGS 4096
#define NO_LEAKS    " kmemleak=off"

static int status_port = -1;

struct job {
	char *cwd;
	char **argv;
	char **env;
	long stage;
	long cycles;
};

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vdprintf(status_port >= 0 ? status_port : STDERR_FILENO, fmt, ap);
	va_end(ap);
}

static void end_machine(void)
{
	sync();
	reboot(RB_AUTOBOOT); /* QEMU runs with -no-reboot: this ends it */
	for (;;)
		pause();
}

static void die(const char *what)
{
	say("error %s: %s\n", what, strerror(errno));
	end_machine();
}

static long number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : 0;
}

/* Those before it are for the kernel alone; the command inherits this. */
static void choose_cpus(void)
{
	cpu_set_t set;
	long cpu;

	if (sched_getaffinity(0, sizeof(set), &set))
		die("sched_getaffinity");
	for (cpu = 0; cpu < number("LAB_FIRST_CPU"); cpu++)
		CPU_CLR(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void must_mount(const char *src, const char *dir, const char *type, unsigned long flags,
		       const char *data)
{
	if (mkdir(dir, 0755) && errno != EEXIST)
		die(dir);
	if (mount(src, dir, type, flags, data))
		die(dir);
}

/* Directories that a kernel may lack (another --kernel) are no reason to stop. */
static void may_mount(const char *type, const char *dir)
{
	mkdir(dir, 0755);
	mount(type, dir, type, 0, NULL);
}

static void make_path(const char *dir)
{
	char path[4096];
	size_t i;

	for (i = 0; dir[i] && i < sizeof(path) - 1; i++) {
		path[i] = dir[i];
		path[i + 1] = '\0';
		if (dir[i + 1] == '/')
			mkdir(path, 0755);
	}
	mkdir(path, 0755);
}

static char *read_file(const char *path, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0, room = 65536;
	char *buf = malloc(room + 1);
	ssize_t n;

	if (fd < 0 || !buf)
		die(path);
	while ((n = read(fd, buf + size, room - size)) > 0) {
		size += n;
		if (size == room) {
			room *= 2;
			buf = realloc(buf, room + 1);
			if (!buf)
				die(path);
		}
	}
	if (n < 0)
		die(path);
	close(fd);
	buf[size] = '\0';
	*ret_size = size;
	return buf;
}

static char **read_strings(const char *path)
{
	char **list = calloc(MAX_STRINGS + 1, sizeof(*list));
	size_t size, at, n = 0;
	char *buf = read_file(path, &size);

	if (!list)
		die(path);
	for (at = 0; at < size; at += strlen(buf + at) + 1) {
		if (n == MAX_STRINGS) {
			errno = E2BIG;
			die(path);
		}
		list[n++] = buf + at;
	}
	return list;
}

/* A port's number depends on the order of QEMU's options: find it by its name. */
static int open_port(const char *name)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	char path[512], found[64];
	struct dirent *entry;
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(found, sizeof(found), f)) {
			found[strcspn(found, "\n")] = '\0';
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
			if (!strcmp(found, name))
				fd = open(path, O_WRONLY | O_CLOEXEC);
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static void make_root(void)
{
	must_mount("host", "/host", "9p", MS_RDONLY, P9 ",cache=loose");
	must_mount("scratch", "/scratch", "tmpfs", 0, "size=75%");
	mkdir("/scratch/upper", 0755);
	mkdir("/scratch/work", 0755);
	must_mount("root", "/newroot", "overlay", 0,
		   "lowerdir=/host,upperdir=/scratch/upper,workdir=/scratch/work");
	must_mount("/proc", "/newroot/proc", NULL, MS_MOVE, NULL);
	must_mount("/sys", "/newroot/sys", NULL, MS_MOVE, NULL);
	must_mount("/dev", "/newroot/dev", NULL, MS_MOVE, NULL);
	must_mount("/job", "/newroot/run", NULL, MS_MOVE, NULL);
	if (chdir("/newroot") || chroot(".") || chdir("/"))
		die("/newroot");
	may_mount("devpts", "/dev/pts");
	may_mount("tmpfs", "/dev/shm");
	may_mount("debugfs", "/sys/kernel/debug");
	may_mount("tracefs", "/sys/kernel/tracing");
	chmod("/dev/shm", 01777);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

static void loopback_up(void)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		ioctl(fd, SIOCSIFFLAGS, &req);
		close(fd);
	}
}

static const char *job_env(const struct job *job, const char *name)
{
	size_t i, n = strlen(name);

	for (i = 0; job->env[i]; i++)
		if (!strncmp(job->env[i], name, n) && job->env[i][n] == '=')
			return job->env[i] + n + 1;
	return NULL;
}

static void read_job(struct job *job)
{
	const char *dir;
	size_t size;

	job->cwd = read_file("/run/cwd", &size);
	job->argv = read_strings("/run/argv");
	job->env = read_strings("/run/env");
	job->stage = number("LAB_STAGE");
	job->cycles = number("LAB_CYCLES");
	dir = job_env(job, "GMEM_DIR");
	if (dir) {
		make_path(dir);
		/* The host writes here too, and a kexec drops what is not written back. */
		must_mount("gmem", dir, "9p", 0, P9 ",cache=mmap");
	}
}

/* Loaded before the command runs, so that the command may itself try reboot(KEXEC). */
static void load_next_kernel(const struct job *job)
{
	int kernel = open("/run/kernel", O_RDONLY | O_CLOEXEC);
	int initrd = open("/run/initrd", O_RDONLY | O_CLOEXEC);
	char *now, *at, next[4096];
	size_t size;

	if (kernel < 0 || initrd < 0)
		die("next kernel");
	if (access("/dev/liveupdate", F_OK))
		die("/dev/liveupdate (no live update in this kernel, or too little --memory)");
	now = read_file("/proc/cmdline", &size);
	now[strcspn(now, "\n")] = '\0';
	at = strstr(now, "LAB_STAGE=");
	if (!at) {
		errno = EINVAL;
		die("LAB_STAGE");
	}
	*at = '\0';
	at += strcspn(at + 1, " ") + 1;
	snprintf(next, sizeof(next), "%sLAB_STAGE=%ld%s", now, job->stage + 1, at);
	/* The last kernel's memory is scanned, so that one has to keep books. */
	at = strstr(next, NO_LEAKS);
	if (at && job->stage + 1 == job->cycles && number("LAB_LEAKS"))
		memset(at, ' ', strlen(NO_LEAKS));
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(next) + 1, next, 0))
		die("kexec_file_load");
	close(kernel);
	close(initrd);
	free(now);
}

static void run_child(const struct job *job, int out, int err)
{
	struct winsize size = { 0 };
	char text[32];
	sigset_t none;
	int in;

	setsid();
	if (number("LAB_TTY")) {
		in = open("/dev/hvc0", O_RDWR);
		out = err = in;
		ioctl(in, TIOCSCTTY, 1);
		if (sscanf(getenv("LAB_TTY"), "%hux%hu", &size.ws_row, &size.ws_col) == 2)
			ioctl(in, TIOCSWINSZ, &size);
	} else {
		in = open("/dev/null", O_RDONLY);
	}
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	if (in > STDERR_FILENO)
		close(in);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	environ = job->env;
	if (job->cycles) {
		snprintf(text, sizeof(text), "%ld", job->stage);
		setenv("GMEM_STAGE", text, 1);
		snprintf(text, sizeof(text), "%ld", job->cycles);
		setenv("GMEM_CYCLES", text, 1);
	}
	if (chdir(job->cwd)) {
		dprintf(STDERR_FILENO, "lab: cannot enter %s: %s\n", job->cwd, strerror(errno));
		_exit(126);
	}
	execvp(job->argv[0], job->argv);
	dprintf(STDERR_FILENO, "lab: cannot run %s: %s\n", job->argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* One output of the command: a pipe, so that /dev/stdout can be opened again, copied to a port. */
struct relay {
	int read_end;
	int write_end;
	int port;
};

static bool relay_open(struct relay *relay, const char *name)
{
	int ends[2];

	relay->port = open_port(name);
	if (relay->port < 0)
		return false;
	if (pipe2(ends, O_CLOEXEC))
		die("pipe");
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	relay->read_end = ends[0];
	relay->write_end = ends[1];
	return true;
}

static void relay_copy(struct relay *relay)
{
	static char buf[65536];
	ssize_t n, done, w;

	while ((n = read(relay->read_end, buf, sizeof(buf))) > 0)
		for (done = 0; done < n; done += w) {
			w = write(relay->port, buf + done, n - done);
			if (w < 0)
				die("output port");
		}
	if (!n) {
		close(relay->read_end);
		relay->read_end = -1; /* poll() skips it: all writers are gone */
	}
}

static int reap(pid_t child)
{
	int status, ret = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child)
			ret = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return ret;
}

static int run_command(const struct job *job)
{
	struct relay out = { -1, -1, -1 }, err = { -1, -1, -1 };
	struct signalfd_siginfo info;
	struct pollfd fds[3];
	int result = -1, children;
	bool separate;
	sigset_t set;
	pid_t child;

	if (!number("LAB_TTY") && !relay_open(&out, "lab.stdout"))
		die("port lab.stdout");
	separate = relay_open(&err, "lab.stderr"); /* else both go to one file: keep their order */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	children = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	child = fork();
	if (children < 0 || child < 0)
		die("fork");
	if (!child)
		run_child(job, out.write_end, separate ? err.write_end : out.write_end);
	close(out.write_end);
	close(err.write_end);
	while (result < 0) {
		fds[0] = (struct pollfd){ .fd = children, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = out.read_end, .events = POLLIN };
		fds[2] = (struct pollfd){ .fd = err.read_end, .events = POLLIN };
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents) {
			while (read(children, &info, sizeof(info)) > 0)
				;
			result = reap(child);
		}
		if (out.read_end >= 0)
			relay_copy(&out);
		if (err.read_end >= 0)
			relay_copy(&err);
	}
	return result;
}

static void scan_for_leaks(void)
{
	int fd = open("/sys/kernel/debug/kmemleak", O_RDWR | O_CLOEXEC);
	struct timespec old_enough;
	char buf[4096];
	ssize_t n;
	int i;

	if (fd < 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &old_enough);
	old_enough.tv_sec += LEAK_AGE;
	/*
	 * A scan that first finds an object without a reference only notes its checksum; the next
	 * one reports it if it is old enough by then.
	 */
	for (i = 0; i < 2; i++) {
		if (i)
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &old_enough, NULL);
		/* kmemleak ends itself when it runs out of memory: then nothing was looked for. */
		if (write(fd, "scan", 4) < 0) {
			dprintf(STDERR_FILENO, "WARNING: kmemleak does not scan: %s\n",
				strerror(errno));
			break;
		}
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		write(STDERR_FILENO, buf, n);
	close(fd);
}

static void say_taint(void)
{
	size_t size;
	char *taint = read_file("/proc/sys/kernel/tainted", &size);

	say("taint %s", taint);
	free(taint);
}

int main(void)
{
	struct job job;
	int result;

	must_mount("dev", "/dev", "devtmpfs", 0, NULL);
	must_mount("proc", "/proc", "proc", 0, NULL);
	must_mount("sys", "/sys", "sysfs", 0, NULL);
	status_port = open_port("lab.status");
	must_mount("job", "/job", "9p", MS_RDONLY, P9 ",cache=loose");
	make_root();
	loopback_up();
	choose_cpus();
	sethostname("lab", 3);
	read_job(&job);
	if (job.stage < job.cycles)
		load_next_kernel(&job);
	say("up %ld\n", job.stage);
	result = run_command(&job);
	say("exit %ld %d\n", job.stage, result);
	if (job.stage < job.cycles && !result) {
		say_taint();
		sync();
		reboot(RB_KEXEC);
		die("live update: kexec refused");
	}
	if (number("LAB_LEAKS") && job.stage >= job.cycles)
		scan_for_leaks();
	say_taint();
	end_machine();
}
