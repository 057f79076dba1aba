#define _GNU_SOURCE
// A load client that posts: N connections kept alive, one request in flight on each.
// Usage: post PORT HEADERS EVENT EVENTS CONNECTIONS WARM_SECONDS SECONDS PATH...
//   HEADERS  further header lines, parts ended by \r\n
//   EVENT    one event; ######## in it becomes a number of 8 digits that rises by one an event
//   EVENTS   events a request: 1 sends JSON, more NDJSON
//   PATH     connection n posts to path n modulo their number
// Prints "warm" and then one line of JSON. An answer that is not 200 ends it; for answers that carry first_seq
// and last_seq (a path of the product's) each seq must come exactly once and none be left out.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clocks.h"

enum { ANSWER_MAX = 8192, WIDTH = 8, SEQS_MAX = 1 << 27, LATENCIES_MAX = 1 << 22 };

struct connection {
  int fd, path;
  char *request;
  size_t head, size, sent, got;
  char answer[ANSWER_MAX];
  uint64_t counter;
  double since;
};

static const char *event;
static int events;
static size_t event_size;
static uint8_t **seen;
static uint64_t *highest, *taken;
static float *latencies;
static uint64_t latency_count, requests;

static void die(const char *what, const char *detail) {
  fprintf(stderr, "post: %s: %s\n", what, detail);
  exit(1);
}

/** Writes the next numbers into the request's body, whose length stays. */
static void number(struct connection *c) {
  char *body = c->request + c->head;
  for (int n = 0; n < events; n++, body += event_size + 1) {
    uint64_t value = 10000000 + c->counter++;
    for (const char *mark = event; (mark = strstr(mark, "########")); mark += WIDTH) {
      uint64_t rest = value;
      for (int digit = WIDTH - 1; digit >= 0; digit--, rest /= 10) {
        body[mark - event + digit] = '0' + rest % 10;
      }
    }
  }
}

static void prepare(struct connection *c, const char *path, const char *headers) {
  size_t length = (event_size + 1) * events - (events == 1);
  c->request = malloc(1024 + strlen(headers) + strlen(path) + length);
  c->head = sprintf(c->request,
    "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/%s\r\n%sContent-Length: %zu\r\n\r\n",
    path, events == 1 ? "json" : "x-ndjson", headers, length);
  c->size = c->head + length;
  char *body = c->request + c->head;
  for (int n = 0; n < events; n++, body += event_size + 1) {
    memcpy(body, event, event_size);
    if (events > 1) body[event_size] = '\n';
  }
}

static void send_more(struct connection *c) {
  while (c->sent < c->size) {
    ssize_t n = send(c->fd, c->request + c->sent, c->size - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) die("send", strerror(errno));
    c->sent += n;
  }
}

static void begin(struct connection *c) {
  number(c);
  c->sent = c->got = 0;
  c->since = now();
  send_more(c);
}

static long field(const char *body, const char *name) {
  const char *at = strstr(body, name);
  return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static void check(struct connection *c, const char *body) {
  long first = field(body, "\"first_seq\":"), last = field(body, "\"last_seq\":");
  if (first < 1 || last - first + 1 != events || last >= SEQS_MAX) die("void: wrong seqs", body);
  uint8_t *bits = seen[c->path];
  for (long seq = first; seq <= last; seq++) {
    if (bits[seq >> 3] & (1 << (seq & 7))) die("void: a seq came twice", body);
    bits[seq >> 3] |= 1 << (seq & 7);
  }
  if ((uint64_t)last > highest[c->path]) highest[c->path] = last;
  taken[c->path] += events;
}

/** Whether the answer is whole. */
static int receive(struct connection *c, int checked) {
  ssize_t n = recv(c->fd, c->answer + c->got, ANSWER_MAX - 1 - c->got, 0);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n <= 0) die("recv", n < 0 ? strerror(errno) : "the server has closed the connection");
  c->got += n;
  c->answer[c->got] = 0;
  char *end = strstr(c->answer, "\r\n\r\n");
  if (!end) return 0;
  if (strncmp(c->answer, "HTTP/1.1 200", 12)) die("void: answer", c->answer);
  char *length = strcasestr(c->answer, "\ncontent-length:");
  if (!length || length > end) die("void: no content-length", c->answer);
  size_t whole = end + 4 - c->answer + strtoul(length + 16, NULL, 10);
  if (whole >= ANSWER_MAX) die("void: long answer", c->answer);
  if (c->got < whole) return 0;
  if (checked) check(c, end + 4);
  requests++;
  if (latency_count < LATENCIES_MAX) latencies[latency_count++] = (now() - c->since) * 1000;
  return 1;
}

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc < 9) die("usage", "see the head of post.c");
  event = argv[3];
  event_size = strlen(event);
  events = atoi(argv[4]);
  int count = atoi(argv[5]), paths = argc - 8, poll = epoll_create1(0), open = count;
  int checked = strstr(argv[8], "/events") != NULL;
  double warm = atof(argv[6]), seconds = atof(argv[7]);
  struct connection *all = calloc(count, sizeof *all);
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  seen = calloc(paths, sizeof *seen);
  highest = calloc(paths, sizeof *highest);
  taken = calloc(paths, sizeof *taken);
  latencies = malloc(LATENCIES_MAX * sizeof *latencies);
  for (int n = 0; n < paths; n++) seen[n] = calloc(1, SEQS_MAX / 8);
  for (int n = 0; n < count; n++) {
    struct connection *c = &all[n];
    c->path = n % paths;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (void *)&address, sizeof address)) die("connect", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &(int){1 << 18}, sizeof(int));
    struct epoll_event wanted = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &wanted);
    prepare(c, argv[8 + c->path], argv[2]);
  }
  double from = now() + warm, until = from + seconds, cpu = 0;
  int warming = 1;
  for (int n = 0; n < count; n++) begin(&all[n]);
  while (open > 0) {
    struct epoll_event ready[64];
    int many = epoll_wait(poll, ready, 64, 10000);
    if (many == 0) die("void", "no answer within 10 s");
    for (int n = 0; n < many; n++) {
      struct connection *c = ready[n].data.ptr;
      if (!receive(c, checked)) continue;
      if (warming && now() >= from) {
        puts("warm");
        fflush(stdout);
        warming = 0;
        requests = latency_count = 0;
        cpu = cpu_s();
        from = now();
        until = from + seconds;
      }
      if (now() < until) begin(c);
      else open--;
    }
  }
  double took = now() - from;
  for (int n = 0; checked && n < paths; n++) {
    if (highest[n] != taken[n]) die("void", "the seqs have holes");
  }
  cpu = cpu_s() - cpu;
  qsort(latencies, latency_count, sizeof *latencies, by_value);
  printf("{\"requests\": %lu, \"events\": %lu, \"seconds\": %.4f, \"cpuS\": %.3f, "
    "\"p50Ms\": %.3f, \"p99Ms\": %.3f}\n", requests, requests * events, took, cpu,
    latencies[latency_count / 2], latencies[latency_count * 99 / 100]);
  return 0;
}
