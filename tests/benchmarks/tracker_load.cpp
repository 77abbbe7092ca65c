// Load generator for WebTorrent trackers, on one core.
//
//   tracker_load signal  PORT PID SECONDS PEERS SWARMS OFFERS   announces with offers, every offer answered
//   tracker_load connect PORT PID SECONDS PEERS 0 0             connects, announces, closes, repeats
//   tracker_load idle    PORT PID SECONDS PEERS SWARMS OFFERS   connects, announces once, stays
//   tracker_load soak    PORT PID SECONDS PEERS SWARMS OFFERS CHURNING
//       announces every 30 s, answers; CHURNING more peers leave without `stopped` and reconnect, each every 25 s
//
// It prints one JSON object. CPU seconds and memory are those of process PID, read from /proc. Every peer keeps one
// announce in flight, so the tracker is always busy. Peers offer permessage-deflate, as browsers do. After a soak the
// program runs until it is killed; a peer that loses its connection then reconnects after one to ten seconds.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Peer {
    int fd = -1;
    bool is_open = false;
    std::string id, swarm, announce, in, out;
    Clock::time_point asked, comes_back;
};

struct Counts {
    long announces = 0, replies = 0, offers = 0, answers_sent = 0, answers = 0, connections = 0, lost = 0;
};

std::string mode, sdp;
int port, epoll_fd, offers_per_announce, swarm_count;
long process;
bool is_stopping = false, comes_back = false;
size_t churning = 0;
Counts counts;
std::vector<Peer> peers;
std::vector<double> latencies;

double cpu_seconds() {
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%ld/stat", process);
    FILE* file = fopen(path, "r");
    if (!file) return 0;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    unsigned long user = 0, system = 0;
    sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return double(user + system) / sysconf(_SC_CLK_TCK);
}

long memory_bytes() {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", process);
    FILE* file = fopen(path, "r");
    long kib = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Pss: %ld", &kib) == 1) break;
    if (file) fclose(file);
    return kib * 1024;
}

uint32_t random_bits() {
    static uint32_t state = 2463534242u;
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state;
}

std::string frame(std::string_view payload, int opcode = 1) {
    uint32_t bits = random_bits();
    char key[4];
    memcpy(key, &bits, 4);
    std::string data(1, char(0x80 | opcode));
    size_t size = payload.size();
    if (size < 126) {
        data += char(0x80 | size);
    } else if (size < 65536) {
        data += {char(0x80 | 126), char(size >> 8), char(size)};
    } else {
        data += char(0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8) data += char(uint64_t(size) >> shift);
    }
    data.append(key, 4);
    size_t start = data.size();
    data.append(payload);
    for (size_t i = 0; i < size; ++i) data[start + i] ^= key[i & 3];
    return data;
}

void watch(Peer& peer, bool wants_to_write) {
    epoll_event event{};
    event.events = EPOLLIN | (wants_to_write ? EPOLLOUT : 0);
    event.data.u32 = uint32_t(&peer - peers.data());
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, peer.fd, &event);
}

void drop(Peer& peer) {
    if (peer.fd >= 0) close(peer.fd);
    peer.fd = -1;
    peer.is_open = false;
    peer.in.clear();
    peer.out.clear();
}

void lose(Peer& peer) {
    drop(peer);
    ++counts.lost;
    peer.comes_back = Clock::now() + std::chrono::milliseconds(1000 + random_bits() % 9000);
}

void flush(Peer& peer) {
    if (peer.fd < 0 || peer.out.empty()) return;
    ssize_t sent = send(peer.fd, peer.out.data(), peer.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return lose(peer);
    if (sent > 0) peer.out.erase(0, sent);
    watch(peer, !peer.out.empty());
}

void write(Peer& peer, const std::string& data) {
    bool was_empty = peer.out.empty();
    peer.out += data;
    if (was_empty) {
        ssize_t sent = send(peer.fd, peer.out.data(), peer.out.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return lose(peer);
        if (sent > 0) peer.out.erase(0, sent);
        if (!peer.out.empty()) watch(peer, true);
    }
}

std::string announce_of(const Peer& peer, int number) {
    std::string text = "{\"numwant\":" + std::to_string(offers_per_announce) +
                       ",\"uploaded\":0,\"downloaded\":0,\"action\":\"announce\",\"info_hash\":\"" + peer.swarm +
                       "\",\"peer_id\":\"" + peer.id + "\",\"offers\":[";
    for (int i = 0; i < offers_per_announce; ++i) {
        char id[32];
        snprintf(id, sizeof id, "%010d%010d", number, i);
        text += std::string(i ? "," : "") + "{\"offer\":{\"type\":\"offer\",\"sdp\":\"" + sdp + "\"},\"offer_id\":\"" +
                id + "\"}";
    }
    return frame(text + "]}");
}

void announce(Peer& peer) {
    if (is_stopping || peer.fd < 0) return;
    peer.asked = Clock::now();
    ++counts.announces;
    write(peer, peer.announce);
}

std::string_view field(std::string_view text, std::string_view key) {
    size_t start = text.find(key);
    if (start == text.npos) return {};
    start = text.find('"', start + key.size() + 1) + 1;
    return text.substr(start, text.find('"', start) - start);
}

void answer(Peer& peer, std::string_view offer) {
    std::string text = "{\"action\":\"announce\",\"info_hash\":\"" + peer.swarm + "\",\"peer_id\":\"" + peer.id +
                       "\",\"to_peer_id\":\"" + std::string(field(offer, "\"peer_id\"")) +
                       "\",\"answer\":{\"type\":\"answer\",\"sdp\":\"" + sdp + "\"},\"offer_id\":\"" +
                       std::string(field(offer, "\"offer_id\"")) + "\"}";
    ++counts.answers_sent;
    write(peer, frame(text));
}

void connect_one(Peer& peer);

void take(Peer& peer, std::string_view text) {
    if (text.find("\"interval\"") != text.npos) {
        ++counts.replies;
        latencies.push_back(std::chrono::duration<double>(Clock::now() - peer.asked).count());
        if (mode == "signal") announce(peer);
        if (mode == "connect") {
            drop(peer);
            ++counts.connections;
            if (!is_stopping) connect_one(peer);
        }
    } else if (text.find("\"offer\":") != text.npos) {
        ++counts.offers;
        if (mode == "signal" || mode == "soak") answer(peer, text);
    } else if (text.find("\"answer\":") != text.npos) {
        ++counts.answers;
    }
}

void open_one(Peer& peer) {
    peer.is_open = true;
    announce(peer);
}

void read(Peer& peer) {
    static char buffer[1 << 18];
    ssize_t size = recv(peer.fd, buffer, sizeof buffer, 0);
    if (size <= 0) {
        if (size == 0 || errno != EAGAIN) lose(peer);
        return;
    }
    peer.in.append(buffer, size);
    size_t start = 0;
    if (!peer.is_open) {
        size_t end = peer.in.find("\r\n\r\n");
        if (end == peer.in.npos) return;
        if (peer.in.compare(9, 3, "101") != 0) return lose(peer);
        start = end + 4;
        open_one(peer);
    }
    while (peer.fd >= 0 && peer.in.size() - start >= 2) {
        const unsigned char* head = reinterpret_cast<const unsigned char*>(peer.in.data()) + start;
        size_t length = head[1] & 127, body = 2;
        if (length == 126) {
            if (peer.in.size() - start < 4) break;
            length = size_t(head[2]) << 8 | head[3];
            body = 4;
        } else if (length == 127) {
            if (peer.in.size() - start < 10) break;
            length = 0;
            for (int i = 2; i < 10; ++i) length = length << 8 | head[i];
            body = 10;
        }
        if (peer.in.size() - start < body + length) break;
        std::string text = peer.in.substr(start + body, length);
        int opcode = head[0] & 15;
        start += body + length;
        int fd = peer.fd;
        if (opcode == 1) take(peer, text);
        if (!peer.is_open || peer.fd != fd) return;  // it has reconnected
        if (opcode == 9) write(peer, frame(text, 10));
        if (opcode == 8) lose(peer);
    }
    if (peer.fd >= 0 && !peer.in.empty()) peer.in.erase(0, start);
}

void connect_one(Peer& peer) {
    peer.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1;
    setsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (mode == "connect") {  // closed ports must be reusable at once, since there are too few
        linger reset{1, 0};
        setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(uint16_t(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect(peer.fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
    peer.out =
        "GET /tracker/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://localhost\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n";
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT;
    event.data.u32 = uint32_t(&peer - peers.data());
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, peer.fd, &event);
}

void pump(double seconds) {
    auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    epoll_event events[512];
    while (Clock::now() < end) {
        int ready = epoll_wait(epoll_fd, events, 512, 10);
        for (int i = 0; i < ready; ++i) {
            Peer& peer = peers[events[i].data.u32];
            if (peer.fd >= 0 && events[i].events & EPOLLOUT) flush(peer);
            if (peer.fd >= 0 && events[i].events & ~EPOLLOUT) read(peer);
        }
    }
}

// Viewers of a real stream: mostly idle; the last of them leave and reconnect.
void soak(double seconds) {
    const double step = 0.1, interval = 30, stay = 25;
    static double announces = 0, departures = 0;
    static size_t next = 0, going = 0;
    for (double at = 0; at < seconds; at += step) {
        for (announces += double(peers.size()) * step / interval; announces >= 1; --announces) {
            Peer& peer = peers[next++ % peers.size()];
            if (peer.is_open) announce(peer);
        }
        for (departures += double(churning) * step / stay; departures >= 1; --departures) {
            Peer& peer = peers[peers.size() - 1 - going++ % churning];
            if (!peer.is_open) continue;
            drop(peer);
            ++counts.connections;
            connect_one(peer);
        }
        for (Peer& peer : peers)
            if (comes_back && peer.fd < 0 && peer.comes_back <= Clock::now()) connect_one(peer);
        pump(step);
    }
}

void run_for(double seconds) {
    mode == "soak" && counts.replies > 0 ? soak(seconds) : pump(seconds);
}

long open_count() {
    return std::count_if(peers.begin(), peers.end(), [](const Peer& peer) { return peer.is_open; });
}

double percentile(double share) {
    if (latencies.empty()) return 0;
    std::sort(latencies.begin(), latencies.end());
    return latencies[size_t(share * double(latencies.size() - 1))] * 1e3;
}

}  // namespace

int main(int, char** arguments) {
    mode = arguments[1];
    port = atoi(arguments[2]);
    process = atol(arguments[3]);
    double seconds = atof(arguments[4]);
    size_t peer_count = size_t(atol(arguments[5]));
    if (mode == "soak") peer_count += churning = size_t(atol(arguments[8]));
    swarm_count = std::max(1, atoi(arguments[6]));
    offers_per_announce = atoi(arguments[7]);

    sdp = "v=0\\r\\no=- 4611731400430051336 2 IN IP4 127.0.0.1\\r\\ns=-\\r\\nt=0 0\\r\\na=group:BUNDLE 0\\r\\n"
          "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\\r\\nc=IN IP4 0.0.0.0\\r\\n";
    while (sdp.size() < 1200)
        sdp += "a=candidate:1467250027 1 udp 2122260223 192.168.0.196 46243 typ host generation 0 network-id 1\\r\\n";
    sdp += "a=ice-ufrag:8hhY\\r\\na=mid:0\\r\\na=sctp-port:5000\\r\\n";

    epoll_fd = epoll_create1(0);
    peers.resize(peer_count);
    for (size_t i = 0; i < peer_count; ++i) {
        char text[32];
        snprintf(text, sizeof text, "-PM0203-%012zu", i);
        peers[i].id = text;
        snprintf(text, sizeof text, "benchmark-%010zu", i % size_t(swarm_count));
        peers[i].swarm = text;
        peers[i].announce = announce_of(peers[i], int(i));
    }

    long memory_before = memory_bytes();
    for (size_t i = 0; i < peer_count; ++i) {
        connect_one(peers[i]);
        if (i % 64 == 63) run_for(0.005);
    }
    for (int i = 0; i < 100 && mode != "connect" && open_count() < long(peer_count); ++i) run_for(0.1);
    run_for(1.0);

    counts = Counts();
    counts.replies = mode == "soak";
    latencies.clear();
    auto started = Clock::now();
    double cpu = cpu_seconds();
    run_for(seconds);
    cpu = cpu_seconds() - cpu;
    double elapsed = std::chrono::duration<double>(Clock::now() - started).count();
    is_stopping = true;
    long memory = memory_bytes();
    printf("{\"open\": %ld, \"seconds\": %.3f, \"cpu\": %.3f, \"announces\": %ld, \"replies\": %ld, \"offers\": %ld, "
           "\"answers\": %ld, \"messages_in\": %ld, \"messages_out\": %ld, \"connections\": %ld, \"lost\": %ld, "
           "\"median_ms\": %.3f, \"p99_ms\": %.3f, \"memory_before\": %ld, \"memory\": %ld}\n",
           open_count(), elapsed, cpu, counts.announces, counts.replies, counts.offers, counts.answers,
           counts.announces + counts.answers_sent, counts.replies + counts.offers + counts.answers, counts.connections,
           counts.lost, percentile(0.5), percentile(0.99), memory_before, memory);
    if (mode != "soak") return 0;
    fflush(stdout);
    for (is_stopping = false, comes_back = true, churning = 0;;) soak(1);
}
