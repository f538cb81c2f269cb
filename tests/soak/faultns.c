/* faultns - fault injection and tracing of file system calls at the KERNEL boundary (seccomp user notification).
 * Works for every binary: dynamic or static, libc or raw syscalls (rustix/linux_raw, Go), any thread, any child.
 * Build: gcc -O2 -Wall -o faultns faultns.c
 * Usage: faultns [-p PREFIX] [-o op,op,..] [-k K] [-c COUNT] [-e ERRNO] [-s] [-l LOG] [-t TRACE] -- CMD ARGS...
 *   -p PREFIX  only files below this path count (default: everything)
 *   -o OPS     open,create,write,fsync,rename,link,unlink,mkdir,truncate,fallocate,copy,chmod,symlink or all (default all)
 *   -k K       fail the K-th counted call (1-based; 0 = never, only count)
 *   -c COUNT   fail COUNT calls from K on (default 1; 0 = for ever)
 *   -e ERR     ENOSPC EIO EROFS EMFILE ENFILE EDQUOT EINTR ENOMEM EACCES or a number (default EIO)
 *   -s         short write instead of an error (only write calls are counted then)
 *   -x         SIGKILL the process right before the K-th call is carried out (deterministic crash point)
 *   -l LOG     one line per counted call: "n op path [INJECTED]";  -t TRACE: JSON lines with data
 * "open" counts opens for writing of existing files, "create" those with O_CREAT/O_TMPFILE; read-only opens: "ropen".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef __NR_openat2
#define __NR_openat2 437
#endif
static const int SYS[] = {__NR_open, __NR_creat, __NR_openat, __NR_openat2, __NR_write, __NR_pwrite64, __NR_writev, __NR_pwritev,
  __NR_pwritev2, __NR_fsync, __NR_fdatasync, __NR_sync_file_range, __NR_rename, __NR_renameat, __NR_renameat2, __NR_link,
  __NR_linkat, __NR_unlink, __NR_unlinkat, __NR_rmdir, __NR_mkdir, __NR_mkdirat, __NR_ftruncate, __NR_truncate, __NR_fallocate,
  __NR_copy_file_range, __NR_sendfile, __NR_fchmod, __NR_chmod, __NR_fchmodat, __NR_symlink, __NR_symlinkat};
#define NSYS ((int)(sizeof SYS / sizeof *SYS))
static char prefix[PATH_MAX], ops[512] = "all";
static long K, COUNT = 1, n_seen, n_inj;
static int ERR = EIO, SHORT, KILL;
static FILE *logf_, *trace;
static pid_t child;

static int parse_errno(const char *s) {
  struct { const char *n; int v; } t[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EROFS", EROFS}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
    {"EDQUOT", EDQUOT}, {"EINTR", EINTR}, {"ENOMEM", ENOMEM}, {"EACCES", EACCES}, {"EAGAIN", EAGAIN}};
  for (unsigned i = 0; i < sizeof t / sizeof *t; i++) if (!strcmp(s, t[i].n)) return t[i].v;
  return atoi(s);
}
static int wanted(const char *op) {
  if (!strcmp(ops, "all")) return strcmp(op, "ropen") != 0;
  char b[512]; snprintf(b, sizeof b, ",%s,", ops);
  char w[64]; snprintf(w, sizeof w, ",%s,", op);
  return strstr(b, w) != NULL;
}
static ssize_t rmem(pid_t p, uint64_t a, void *buf, size_t n) {
  struct iovec l = {buf, n}, r = {(void *)(uintptr_t)a, n};
  return process_vm_readv(p, &l, 1, &r, 1, 0);
}
static void rstr(pid_t p, uint64_t a, char *buf, size_t n) {
  size_t o = 0; buf[0] = 0;
  while (o + 1 < n) {                                /* page by page: the string may end right before an unmapped page */
    size_t c = 4096 - ((a + o) & 4095); if (c > n - 1 - o) c = n - 1 - o;
    ssize_t r = rmem(p, a + o, buf + o, c);
    if (r <= 0) break;
    char *z = memchr(buf + o, 0, r); if (z) return;
    o += r;
  }
  buf[o] = 0;
}
static void fdpath(pid_t p, int fd, char *out) {
  char l[64]; snprintf(l, sizeof l, "/proc/%d/fd/%d", p, fd);
  ssize_t r = readlink(l, out, PATH_MAX - 1); out[r > 0 ? r : 0] = 0;
}
static void norm(char *p) {                            /* lexical: // and /./ and /x/.. */
  char t[PATH_MAX * 2 + 2], *seg[1024]; int n = 0; snprintf(t, sizeof t, "%s", p);
  for (char *s = strtok(t, "/"); s && n < 1000; s = strtok(NULL, "/")) {
    if (!strcmp(s, ".")) continue;
    if (!strcmp(s, "..")) { if (n) n--; continue; }
    seg[n++] = s;
  }
  char o[PATH_MAX] = ""; size_t k = 0;
  for (int i = 0; i < n && k < PATH_MAX - 2; i++) k += snprintf(o + k, PATH_MAX - k, "/%s", seg[i]);
  strcpy(p, n ? o : "/");
}
static void atpath(pid_t p, int dfd, uint64_t a, char *out) {
  char s[PATH_MAX]; rstr(p, a, s, sizeof s);
  if (!strncmp(s, "/proc/self/fd/", 14)) { fdpath(p, atoi(s + 14), out); return; }   /* O_TMPFILE + linkat */
  if (s[0] == '/') { snprintf(out, PATH_MAX, "%s", s); norm(out); return; }
  char b[PATH_MAX];
  if (dfd == AT_FDCWD) { char l[64]; snprintf(l, sizeof l, "/proc/%d/cwd", p); ssize_t r = readlink(l, b, PATH_MAX - 1); b[r > 0 ? r : 0] = 0; }
  else fdpath(p, dfd, b);
  char t[PATH_MAX * 2 + 2]; snprintf(t, sizeof t, "%s/%s", b, s); t[PATH_MAX - 1] = 0; strcpy(out, t); norm(out);
}
static int under(const char *p) {
  size_t l = strlen(prefix); if (!l) return p[0] == '/';
  return !strncmp(p, prefix, l) && (p[l] == 0 || p[l] == '/');
}
static void jstr(FILE *f, const char *s) {
  fputc('"', f);
  for (; *s; s++) { unsigned char c = *s; if (c == '"' || c == '\\') fprintf(f, "\\%c", c); else if (c < 32 || c > 126) fprintf(f, "\\u%04x", c); else fputc(c, f); }
  fputc('"', f);
}
static void hex(FILE *f, const unsigned char *d, size_t n) { static const char h[] = "0123456789abcdef"; for (size_t i = 0; i < n; i++) { fputc(h[d[i] >> 4], f); fputc(h[d[i] & 15], f); } }
static int tgid(pid_t t) {
  char l[64], b[256]; snprintf(l, sizeof l, "/proc/%d/status", t); FILE *f = fopen(l, "r"); int v = t;
  if (f) { while (fgets(b, sizeof b, f)) if (sscanf(b, "Tgid: %d", &v) == 1) break; fclose(f); } return v;
}
static void fdinfo(pid_t p, int fd, long *pos, long *fl) {
  char l[64], b[256]; *pos = 0; *fl = 0; snprintf(l, sizeof l, "/proc/%d/fdinfo/%d", p, fd); FILE *f = fopen(l, "r"); if (!f) return;
  while (fgets(b, sizeof b, f)) { sscanf(b, "pos: %ld", pos); sscanf(b, "flags: %lo", fl); } fclose(f);
}
static size_t gather(pid_t p, struct seccomp_data *d, int vec, unsigned char **out) {
  size_t tot = 0; *out = NULL;
  if (!vec) { tot = d->args[2]; if (tot > (64u << 20)) tot = 64u << 20; *out = malloc(tot + 1); ssize_t r = rmem(p, d->args[1], *out, tot); return r < 0 ? 0 : r; }
  int c = d->args[2]; if (c > 1024) c = 1024; struct iovec v[1024]; if (rmem(p, d->args[1], v, c * sizeof *v) <= 0) return 0;
  for (int i = 0; i < c; i++) tot += v[i].iov_len; if (tot > (64u << 20)) tot = 64u << 20;
  *out = malloc(tot + 1); size_t o = 0;
  for (int i = 0; i < c && o < tot; i++) { size_t q = v[i].iov_len; if (q > tot - o) q = tot - o; if (q && rmem(p, (uint64_t)(uintptr_t)v[i].iov_base, *out + o, q) > 0) o += q; }
  return o;
}
static void handle(int lfd) {
  struct seccomp_notif rq; struct seccomp_notif_resp rs; memset(&rq, 0, sizeof rq); memset(&rs, 0, sizeof rs);
  if (ioctl(lfd, SECCOMP_IOCTL_NOTIF_RECV, &rq)) return;
  rs.id = rq.id; rs.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  struct seccomp_data *d = &rq.data; pid_t p = rq.pid; char a[PATH_MAX] = "", b[PATH_MAX] = ""; const char *op = NULL; long flags = 0, off = -1, len = -1; int isw = 0, vec = 0, fd = -1;
  switch (d->nr) {
  case __NR_open: flags = d->args[1]; atpath(p, AT_FDCWD, d->args[0], a); op = "open"; break;
  case __NR_creat: flags = O_CREAT | O_WRONLY | O_TRUNC; atpath(p, AT_FDCWD, d->args[0], a); op = "open"; break;
  case __NR_openat: flags = d->args[2]; atpath(p, (int)d->args[0], d->args[1], a); op = "open"; break;
  case __NR_openat2: { uint64_t fl = 0; rmem(p, d->args[2], &fl, 8); flags = fl; atpath(p, (int)d->args[0], d->args[1], a); op = "open"; break; }
  case __NR_pwrite64: case __NR_pwritev: case __NR_pwritev2: off = d->args[3]; /* fall through */
  case __NR_write: case __NR_writev: op = "write"; isw = 1; vec = d->nr != __NR_write && d->nr != __NR_pwrite64; fd = d->args[0]; fdpath(p, fd, a); break;
  case __NR_fsync: case __NR_fdatasync: case __NR_sync_file_range: op = "fsync"; fd = d->args[0]; fdpath(p, fd, a); break;
  case __NR_rename: op = "rename"; atpath(p, AT_FDCWD, d->args[0], a); atpath(p, AT_FDCWD, d->args[1], b); break;
  case __NR_renameat: case __NR_renameat2: op = "rename"; atpath(p, (int)d->args[0], d->args[1], a); atpath(p, (int)d->args[2], d->args[3], b); break;
  case __NR_link: op = "link"; atpath(p, AT_FDCWD, d->args[0], a); atpath(p, AT_FDCWD, d->args[1], b); break;
  case __NR_linkat: op = "link"; atpath(p, (int)d->args[0], d->args[1], a); atpath(p, (int)d->args[2], d->args[3], b); break;
  case __NR_symlink: op = "symlink"; rstr(p, d->args[0], b, sizeof b); atpath(p, AT_FDCWD, d->args[1], a); break;
  case __NR_symlinkat: op = "symlink"; rstr(p, d->args[0], b, sizeof b); atpath(p, (int)d->args[1], d->args[2], a); break;
  case __NR_unlink: case __NR_rmdir: op = "unlink"; atpath(p, AT_FDCWD, d->args[0], a); break;
  case __NR_unlinkat: op = "unlink"; atpath(p, (int)d->args[0], d->args[1], a); break;
  case __NR_mkdir: op = "mkdir"; atpath(p, AT_FDCWD, d->args[0], a); break;
  case __NR_mkdirat: op = "mkdir"; atpath(p, (int)d->args[0], d->args[1], a); break;
  case __NR_ftruncate: op = "truncate"; fd = d->args[0]; fdpath(p, fd, a); len = d->args[1]; break;
  case __NR_truncate: op = "truncate"; atpath(p, AT_FDCWD, d->args[0], a); len = d->args[1]; break;
  case __NR_fallocate: op = "fallocate"; fd = d->args[0]; fdpath(p, fd, a); break;
  case __NR_copy_file_range: op = "copy"; fd = d->args[2]; fdpath(p, fd, a); fdpath(p, d->args[0], b); break;
  case __NR_sendfile: op = "copy"; fd = d->args[0]; fdpath(p, fd, a); fdpath(p, d->args[1], b); break;
  case __NR_fchmod: op = "chmod"; fd = d->args[0]; fdpath(p, fd, a); break;
  case __NR_chmod: op = "chmod"; atpath(p, AT_FDCWD, d->args[0], a); break;
  case __NR_fchmodat: op = "chmod"; atpath(p, (int)d->args[0], d->args[1], a); break;
  }
  if (op && !strcmp(op, "open")) op = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? "create" : (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) ? "open" : "ropen";
  int two = op && (!strcmp(op, "rename") || !strcmp(op, "link"));
  int in = op && (under(a) || (two && under(b)));
  int inject = 0;
  if (in && wanted(op) && (!SHORT || isw)) {
    n_seen++; inject = K && n_seen >= K && (COUNT == 0 || n_seen < K + COUNT);
    if (logf_) { fprintf(logf_, "%ld %s %s%s%s%s\n", n_seen, op, a, b[0] ? " -> " : "", b, inject ? " INJECTED" : ""); fflush(logf_); }
  }
  int outw = isw && (fd == 1 || fd == 2) && !in;   /* what it acknowledges */
  if (trace && ((in && strcmp(op, "ropen")) || outw) && !(inject && !SHORT)) {
    fprintf(trace, "{\"op\":\"%s\",\"path\":", outw ? "said" : op); jstr(trace, a);
    if (b[0]) { fprintf(trace, ",\"to\":"); jstr(trace, b); }
    if (isw) {
      unsigned char *buf; size_t n = gather(p, d, vec, &buf); long pos, fl; fdinfo(p, fd, &pos, &fl);
      fprintf(trace, ",\"off\":%ld,\"append\":%d,\"data\":\"", off >= 0 ? off : pos, (fl & O_APPEND) ? 1 : 0); hex(trace, buf, n); fputc('"', trace); free(buf);
    } else fprintf(trace, ",\"flags\":%ld,\"len\":%ld", flags, len);
    fprintf(trace, "}\n"); fflush(trace);
  }
  if (inject) {
    n_inj++;
    if (KILL) { if (logf_) { fprintf(logf_, "TOTAL %ld INJECTED %ld\n", n_seen, n_inj); fflush(logf_); } kill(tgid(p), SIGKILL); return; }
    if (SHORT) {
      unsigned char *buf; size_t n = gather(p, d, vec, &buf); size_t h = n > 1 ? n / 2 : n;
      int pf = syscall(SYS_pidfd_open, tgid(p), 0), my = pf >= 0 ? (int)syscall(SYS_pidfd_getfd, pf, fd, 0) : -1; ssize_t r = -1;
      if (my >= 0) r = off >= 0 ? pwrite(my, buf, h, off) : write(my, buf, h);
      if (my >= 0) close(my);
      if (pf >= 0) close(pf);
      free(buf);
      rs.flags = 0; if (r < 0) rs.error = -(errno ? errno : EIO); else rs.val = r;
    } else { rs.flags = 0; rs.error = -ERR; }
  }
  ioctl(lfd, SECCOMP_IOCTL_NOTIF_SEND, &rs);
}
static void fwd(int s) { if (child > 0) kill(child, s); }
int main(int c, char **v) {
  int o;
  while ((o = getopt(c, v, "+p:o:k:c:e:sxl:t:")) != -1) switch (o) {
    case 'p': { char *r = realpath(optarg, NULL); snprintf(prefix, sizeof prefix, "%s", r ? r : optarg); size_t l = strlen(prefix); while (l > 1 && prefix[l - 1] == '/') prefix[--l] = 0; break; }
    case 'o': snprintf(ops, sizeof ops, "%s", optarg); break;
    case 'k': K = atol(optarg); break; case 'c': COUNT = atol(optarg); break; case 'e': ERR = parse_errno(optarg); break; case 's': SHORT = 1; break; case 'x': KILL = 1; break;
    case 'l': logf_ = fopen(optarg, "we"); break; case 't': trace = fopen(optarg, "we"); break; default: return 2; }
  if (optind >= c) { fprintf(stderr, "usage: faultns [opts] -- cmd\n"); return 2; }
  int sp[2]; if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp)) return 2;
  child = fork();
  if (!child) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    struct sock_filter f[4 + NSYS + 2]; int k = 0;
    f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    f[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, NSYS + 1);
    f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < NSYS; i++) f[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)SYS[i], (unsigned char)(NSYS - i), 0);
    f[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    f[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog pr = {k, f};
    int l = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &pr);
    if (l < 0) l = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &pr);
    if (l < 0) _exit(125);
    char cb[CMSG_SPACE(sizeof(int))], z = 'x'; struct iovec io = {&z, 1}; struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = sizeof cb};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m); h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_RIGHTS; h->cmsg_len = CMSG_LEN(sizeof(int)); memcpy(CMSG_DATA(h), &l, sizeof l);
    if (sendmsg(sp[1], &m, 0) < 0) _exit(125);
    close(l); execvp(v[optind], v + optind); _exit(127);
  }
  signal(SIGTERM, fwd); signal(SIGINT, fwd); signal(SIGHUP, fwd);
  close(sp[1]);
  char cb[CMSG_SPACE(sizeof(int))], z; struct iovec io = {&z, 1}; struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = sizeof cb};
  if (recvmsg(sp[0], &m, MSG_CMSG_CLOEXEC) <= 0) { fprintf(stderr, "faultns: no listener (kernel without seccomp user notification?)\n"); return 125; }
  int lfd; memcpy(&lfd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof lfd);
  int st = 0; long idle = 0;
  for (;;) {
    struct pollfd pf = {lfd, POLLIN, 0}; int r = poll(&pf, 1, 50);
    if (r > 0 && (pf.revents & POLLIN)) { handle(lfd); idle = 0; continue; }
    if (r > 0 && (pf.revents & POLLHUP)) { waitpid(child, &st, 0); break; }
    if (waitpid(child, &st, WNOHANG) == child && ++idle) break;
  }
  if (logf_) { fprintf(logf_, "TOTAL %ld INJECTED %ld\n", n_seen, n_inj); fflush(logf_); }
  return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}
