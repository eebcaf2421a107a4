#pragma once
// A WebSocket on a stream, either end. Only for io's own sources.
#include <list>

#include "io/event_loop_impl.hpp"
#include "io/http_server_core.hpp"
#include "io/stream.hpp"
#include "io/websocket_frames.hpp"

namespace belay::io {

class WebSocketConnection final : public WebSocket,
                                  public Peer,
                                  public std::enable_shared_from_this<WebSocketConnection>,
                                  private DeadlineWheel::Entry {
 public:
  enum class End { server, client };
  WebSocketConnection(EventLoop::Impl& loop, End end, std::unique_ptr<Stream> stream, const ServerLimits& limits);

  ~WebSocketConnection() override;
  void join(std::unique_ptr<Membership> membership);  // server side
  // After the callbacks were set; `received` came behind the handshake.
  void start(std::string received);

  bool send(std::string message) override;
  void close(std::string_view reason) override;
  void drain() override;
  void cut() override;

 private:
  struct Queued {
    std::string frame;
    std::size_t counted = 0;  // in bytes_queued_
  };

  // Stands in each coroutine that uses the stream.
  class Running {
   public:
    explicit Running(WebSocketConnection& connection);
    ~Running();
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    WebSocketConnection& connection_;
  };

  static Task<void> read_frames(std::shared_ptr<WebSocketConnection> self, std::string received);
  static Task<void> discard_rest(std::shared_ptr<WebSocketConnection> self);
  static Task<void> write_queue(std::shared_ptr<WebSocketConnection> self);
  void on_deadline() override;

  bool take(std::string_view bytes);  // false where reading ends
  void handle(FrameDecoder::Event event);
  void deliver(std::string message);
  void enqueue(Opcode opcode, std::string_view payload);
  void begin_close(std::uint16_t code, std::string_view reason);
  void enqueue_counted(Opcode opcode, std::string_view payload, std::size_t counted);
  Queued next_batch();
  void finish(std::string_view reason);
  void abandon();
  void release();
  void run_on_loop(std::function<void()> task);

  EventLoop::Impl& loop_;
  std::shared_ptr<LoopPort> port_;
  const End end_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Membership> membership_;
  FrameDecoder decoder_;
  const std::size_t bytes_queued_max_;
  const Duration ping_every_;
  std::list<Queued> queue_;  // a deque would hold half a kilobyte while it is empty
  std::atomic<std::size_t> bytes_queued_{0};
  std::atomic<bool> closed_{false};  // nothing more may be sent
  bool writing_ = false;
  bool close_sent_ = false;
  bool peer_closed_ = false;
  bool delivering_ = false;
  bool finished_ = false;
  int silent_rounds_ = 0;
  int running_ = 0;
  std::string reason_;
};

}  // namespace belay::io
