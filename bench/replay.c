// A load client that reads what was: N viewers that begin at cursors spread evenly over a log.
// Usage: replay PORT PATH HEADERS VIEWERS EPOCH LAST
//   HEADERS  further header lines, parts ended by \r\n
//   EPOCH    of the log's ids; empty for a plain file, of which only the bytes are counted
//   LAST     seq of the log's last entry; viewer n begins after entry n * LAST / VIEWERS
// Prints one line of JSON when every viewer holds the last entry, or has the end of the file.
// A seq that is missing, doubled or out of order ends it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clocks.h"

enum { READ_MAX = 1 << 18, HEAD_MAX = 4096, LINE_MAX_ = 64 };

struct viewer {
  int fd, in_body, chunked, done;
  char head[HEAD_MAX];
  size_t head_size;
  long left;              // bytes of the chunk or of the body that are still to come
  char size_line[32];     // of a chunk
  size_t size_length;
  char line[LINE_MAX_];   // the beginning of the line that is being read
  size_t line_length;
  long seq;
};

static const char *epoch;
static size_t epoch_size;
static long last, bytes, frames;
static int open_count;

static void die(const char *what, const char *detail) {
  fprintf(stderr, "replay: %s: %.300s\n", what, detail);
  exit(1);
}

static void finish(struct viewer *v) {
  if (v->done) return;
  v->done = 1;
  open_count--;
}

static void end_line(struct viewer *v) {
  v->line[v->line_length < LINE_MAX_ ? v->line_length : LINE_MAX_ - 1] = 0;
  if (!strncmp(v->line, "id: ", 4)) {
    char *id = v->line + 4;
    if (strncmp(id, epoch, epoch_size) || id[epoch_size] != '-') die("void: id", v->line);
    long seq = strtol(id + epoch_size + 1, NULL, 10);
    if (seq != v->seq + 1) die("void: a seq is missing, doubled or out of order", v->line);
    v->seq = seq;
    frames++;
    if (seq == last) finish(v);
  } else if (strstr(v->line, "\"resume\": \"gap\"")) die("void: a gap", v->line);
  v->line_length = 0;
}

static void body(struct viewer *v, const char *data, size_t size) {
  bytes += size;
  if (epoch_size == 0) return;
  const char *end = data + size;
  while (data < end) {
    const char *lf = memchr(data, '\n', end - data);
    size_t part = (lf ? lf : end) - data;
    if (v->line_length < LINE_MAX_ - 1) {
      size_t room = LINE_MAX_ - 1 - v->line_length;
      memcpy(v->line + v->line_length, data, part < room ? part : room);
    }
    v->line_length += part;
    if (v->line_length > LINE_MAX_ - 1) v->line_length = LINE_MAX_ - 1;
    if (!lf) return;
    end_line(v);
    data = lf + 1;
  }
}

static void take(struct viewer *v, const char *data, size_t size) {
  while (size > 0) {
    if (v->left > 0) {
      size_t part = (size_t)v->left < size ? (size_t)v->left : size;
      body(v, data, part);
      v->left -= part;
      data += part;
      size -= part;
      if (v->left == 0 && !v->chunked) finish(v);
      continue;
    }
    if (!v->chunked) return;
    char c = *data++;
    size--;
    if (c == '\r') continue;
    if (c != '\n') {
      if (v->size_length < sizeof v->size_line - 1) v->size_line[v->size_length++] = c;
      continue;
    }
    if (v->size_length == 0) continue; // the line end behind a chunk
    v->size_line[v->size_length] = 0;
    v->size_length = 0;
    v->left = strtol(v->size_line, NULL, 16);
    if (v->left > 0) continue;
    if (epoch_size > 0 && v->seq != last) die("void", "a stream ended before the last entry");
    finish(v);
  }
}

static void head(struct viewer *v, const char *data, size_t size) {
  if (v->head_size + size >= HEAD_MAX) {
    size_t room = HEAD_MAX - 1 - v->head_size;
    memcpy(v->head + v->head_size, data, room);
    v->head[HEAD_MAX - 1] = 0;
    char *end = strstr(v->head, "\r\n\r\n");
    if (!end) die("void: long head", v->head);
  } else {
    memcpy(v->head + v->head_size, data, size);
    v->head[v->head_size + size] = 0;
  }
  char *end = strstr(v->head, "\r\n\r\n");
  if (!end) {
    v->head_size += size;
    return;
  }
  if (strncmp(v->head, "HTTP/1.1 200", 12)) die("void: answer", v->head);
  size_t used = end + 4 - v->head - v->head_size;
  *end = 0;
  v->in_body = 1;
  v->chunked = strcasestr(v->head, "transfer-encoding: chunked") != NULL;
  char *length = strcasestr(v->head, "content-length:");
  if (!v->chunked) v->left = length ? strtol(length + 15, NULL, 10) : 0;
  if (!v->chunked && v->left == 0) die("void: no length", v->head);
  take(v, data + used, size - used);
}

int main(int argc, char **argv) {
  if (argc != 7) die("usage", "see the head of replay.c");
  int count = atoi(argv[4]), poll = epoll_create1(0);
  epoch = argv[5];
  epoch_size = strlen(epoch);
  last = atol(argv[6]);
  open_count = count;
  struct viewer *all = calloc(count, sizeof *all);
  char *buffer = malloc(READ_MAX), request[2048];
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  double from = now();
  for (int n = 0; n < count; n++) {
    struct viewer *v = &all[n];
    v->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(v->fd, (void *)&address, sizeof address)) die("connect", strerror(errno));
    v->seq = last * n / count;
    char cursor[128] = "";
    if (epoch_size > 0) {
      if (v->seq == 0) strcpy(cursor, "Last-Event-ID: 0\r\n");
      else snprintf(cursor, sizeof cursor, "Last-Event-ID: %s-%ld\r\n", epoch, v->seq);
    }
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s\r\n",
      argv[2], argv[3], cursor);
    if (send(v->fd, request, size, MSG_NOSIGNAL) != size) die("send", strerror(errno));
    struct epoll_event wanted = { .events = EPOLLIN, .data.ptr = v };
    epoll_ctl(poll, EPOLL_CTL_ADD, v->fd, &wanted);
  }
  while (open_count > 0) {
    struct epoll_event ready[256];
    int many = epoll_wait(poll, ready, 256, 30000);
    if (many == 0) die("void", "nothing came for 30 s");
    for (int n = 0; n < many; n++) {
      struct viewer *v = ready[n].data.ptr;
      ssize_t size = recv(v->fd, buffer, READ_MAX, 0);
      if (size > 0) {
        if (v->in_body) take(v, buffer, size);
        else head(v, buffer, size);
      } else if (!v->done) die("void", "a connection ended before the last entry");
      if (size <= 0) epoll_ctl(poll, EPOLL_CTL_DEL, v->fd, NULL);
    }
  }
  double took = now() - from;
  printf("{\"bytes\": %ld, \"frames\": %ld, \"seconds\": %.4f, \"cpuS\": %.3f}\n", bytes, frames,
    took, cpu_s());
  return 0;
}
