#pragma once
// A socket on the loop. Reading and writing are attempts that return at once, and waiting is its own step: so a caller
// reads into the scratch buffer of its thread and never holds a buffer while it waits. Loop thread only.
// Only for io's own sources.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <span>

#include "io/posix.hpp"
#include "io/tls.hpp"

namespace belay::io {

template <typename T>
using Task = boost::asio::awaitable<T>;

class Stream {
 public:
  Stream(boost::asio::io_context& context, Descriptor fd, TlsPtr tls);

  // True when it is done; false where it failed (detail()) or the stream was cut.
  Task<bool> handshake();
  // Never blocks: done, end or failed; or blocked, then wait_for(step) and try again.
  Step try_read(std::span<char> buffer);
  Step try_discard(std::span<char> buffer);
  Task<bool> write_all(std::string_view bytes);
  // False where the stream was cut while waiting.
  Task<bool> wait_for(Step step);
  Task<bool> wait_readable() { return wait_for({Step::Kind::want_read, 0}); }

  bool has_buffered() const { return transport_.has_buffered(); }
  void end_writing();
  void cut();  // closed now; whoever waits is told
  bool is_cut() const { return !descriptor_.is_open(); }
  bool encrypted() const { return transport_.tls() != nullptr; }
  const SSL* tls() const { return transport_.tls(); }
  const std::string& detail() const { return transport_.detail(); }

 private:
  boost::asio::posix::stream_descriptor descriptor_;
  Transport transport_;
};

// Of this thread; what lies in it is gone after the next wait.
std::span<char> scratch_buffer();

// "10.0.0.7" of the other end of a connected socket.
std::string peer_address(int fd);

}  // namespace belay::io
