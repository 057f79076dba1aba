// What a core can do: an epoll loop that copies bytes and nothing else.
//
// GET /N is a stream of channel N, POST /N an event of it. A channel is a ring of bytes that all of
// its viewers share; a turn of the loop takes what is posted, answers it, then writes to each viewer
// of a changed channel all that it has not seen, at once. Nothing is stored, checked or parsed.
// Prints the port. Arguments: bytes of a channel's ring, and the turns of the loop in which a
// channel's viewers are served (1; with more, what is posted meanwhile is for those served later).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CHANNELS = 2048, REQUEST_MAX = 16384 };

typedef struct Connection Connection;

typedef struct {
  char *ring;
  size_t size;
  uint64_t end, events;  // end: bytes so far
  Connection *viewers, *at;  // at: who is served next in a round that is under way
  size_t viewer_count, share;
  bool changed, again;
} Channel;

struct Connection {
  int fd;
  Channel *channel;  // of a viewer
  Connection *next, *before;
  uint64_t seen;
  bool full, head_sent;
  size_t held;
  char *request;
};

static Channel channels[CHANNELS];
static Channel *changed[CHANNELS];
static int changed_count, poller;
static size_t ring_size = 16 << 20, turns = 1;

static void leave(Connection *c) {
  if (c->channel) {
    if (c->before) c->before->next = c->next;
    else c->channel->viewers = c->next;
    if (c->next) c->next->before = c->before;
    if (c->channel->at == c) c->channel->at = c->next;
    c->channel->viewer_count--;
  }
  close(c->fd);
  free(c->request);
  free(c);
}

/** Writes what the viewer has not seen; false when it has gone. */
static bool serve(Connection *c) {
  Channel *h = c->channel;
  while (c->seen < h->end) {
    if (h->end - c->seen > h->size) {
      fprintf(stderr, "floor: a viewer is more than its ring behind\n");
      exit(1);
    }
    size_t at = c->seen % h->size, n = h->end - c->seen, first = n < h->size - at ? n : h->size - at;
    struct iovec parts[2] = {{h->ring + at, first}, {h->ring, n - first}};
    ssize_t sent = writev(c->fd, parts, n > first ? 2 : 1);
    if (sent < 0) {
      if (errno != EAGAIN) return false;
      if (!c->full) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
        c->full = true;
      }
      return true;
    }
    c->seen += sent;
  }
  if (c->full) {
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    c->full = false;
  }
  return true;
}

static void put(Channel *h, const char *from, size_t n) {
  size_t at = h->end % h->size, first = n < h->size - at ? n : h->size - at;
  memcpy(h->ring + at, from, first);
  memcpy(h->ring, from + first, n - first);
  h->end += n;
}

static Channel *channel_of(const char *path) {
  Channel *h = &channels[strtoul(path + 1, NULL, 10) % CHANNELS];
  if (!h->ring) h->ring = malloc(h->size = ring_size);
  return h;
}

static void subscribe(Connection *c, Channel *h) {
  static const char head[] =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n";
  if (write(c->fd, head, sizeof head - 1) < 0) return;
  c->channel = h;
  c->seen = h->end;
  c->next = h->viewers;
  if (c->next) c->next->before = c;
  h->viewers = c;
  h->viewer_count++;
  free(c->request);
  c->request = NULL;
}

static void publish(Connection *c, Channel *h, const char *body, size_t n) {
  char id[32];
  int digits = snprintf(id, sizeof id, "\nid: %lu\n\n", ++h->events);
  put(h, "data: ", 6);
  put(h, body, n);
  put(h, id, digits);
  if (h->changed) h->again = true;
  else h->changed = true, changed[changed_count++] = h;
  static const char answer[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
  if (write(c->fd, answer, sizeof answer - 1) < 0) perror("floor: answer");
}

/** Serves some of the channel's viewers; false when its round is over and nothing has come since. */
static bool serve_some(Channel *h) {
  if (!h->at) {
    h->at = h->viewers;
    h->share = h->viewer_count / turns + 1;
    h->again = false;
  }
  Connection *c;
  for (size_t n = 0; n < h->share && (c = h->at); n++) {
    h->at = c->next;
    if (!c->full && !serve(c)) leave(c);
  }
  return h->at || h->again;
}

/** Whether the connection is still there. */
static bool take(Connection *c) {
  if (c->channel) {
    char rest[64];
    return read(c->fd, rest, sizeof rest) > 0 || errno == EAGAIN;
  }
  if (!c->request) c->request = malloc(REQUEST_MAX + 1);
  ssize_t n = read(c->fd, c->request + c->held, REQUEST_MAX - c->held);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  c->held += n;
  c->request[c->held] = 0;
  char *end = strstr(c->request, "\r\n\r\n");
  if (!end) return c->held < REQUEST_MAX;
  if (c->request[0] == 'G') {
    c->held = 0;
    subscribe(c, channel_of(c->request + 4));
    return true;
  }
  char *length = strcasestr(c->request, "\r\ncontent-length:");
  size_t size = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
  if (c->held < (size_t)(end + 4 - c->request) + size) return c->held < REQUEST_MAX;
  c->held = 0;  // a client has one request in flight
  publish(c, channel_of(c->request + 5), end + 4, size);
  return true;
}

int main(int argc, char **argv) {
  if (argc > 1) ring_size = strtoul(argv[1], NULL, 10);
  if (argc > 2) turns = strtoul(argv[2], NULL, 10);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (void *)&address, size) || listen(listener, 4096)) return perror("floor"), 1;
  getsockname(listener, (void *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  poller = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, events[1024];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
  for (;;) {
    int n = epoll_wait(poller, events, 1024, changed_count ? 0 : -1);
    for (int i = 0; i < n; i++) {
      Connection *c = events[i].data.ptr;
      if (!c) {
        for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          c = calloc(1, sizeof *c);
          c->fd = fd;
          e = (struct epoll_event){.events = EPOLLIN, .data.ptr = c};
          epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
        }
        continue;
      }
      bool alive = true;
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) alive = take(c);
      if (alive && events[i].events & EPOLLOUT) alive = serve(c);
      if (!alive) leave(c);
    }
    int left = 0;
    for (int i = 0; i < changed_count; i++) {
      Channel *h = changed[i];
      if ((h->changed = serve_some(h))) changed[left++] = h;
    }
    changed_count = left;
  }
}
