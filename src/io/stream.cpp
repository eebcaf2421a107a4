#include "io/stream.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

namespace belay::io {

Stream::Stream(boost::asio::io_context& context, Descriptor fd, TlsPtr tls)
    : descriptor_(context, fd.get()), transport_(fd.get(), std::move(tls)) {
  fd.release();
}

Task<bool> Stream::wait_for(Step step) {
  if (is_cut()) co_return false;
  const auto what = step.kind == Step::Kind::want_write ? boost::asio::posix::descriptor_base::wait_write
                                                        : boost::asio::posix::descriptor_base::wait_read;
  const auto [failure] = co_await descriptor_.async_wait(what, boost::asio::as_tuple(boost::asio::use_awaitable));
  co_return !failure && !is_cut();
}

Task<bool> Stream::handshake() {
  for (;;) {
    if (is_cut()) co_return false;
    const Step step = transport_.handshake();
    if (!step.blocked()) co_return step.kind == Step::Kind::done;
    const bool ready = co_await wait_for(step);
    if (!ready) co_return false;
  }
}

Step Stream::try_read(std::span<char> buffer) {
  return is_cut() ? Step{Step::Kind::failed, 0} : transport_.read(buffer.data(), buffer.size());
}

Step Stream::try_discard(std::span<char> buffer) {
  return is_cut() ? Step{Step::Kind::failed, 0} : transport_.discard(buffer.data(), buffer.size());
}

Task<bool> Stream::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    if (is_cut()) co_return false;
    const Step step = transport_.write(bytes);
    if (step.kind == Step::Kind::done) {
      bytes.remove_prefix(step.bytes);
      continue;
    }
    if (!step.blocked()) co_return false;
    const bool ready = co_await wait_for(step);
    if (!ready) co_return false;
  }
  co_return true;
}

void Stream::end_writing() {
  if (!is_cut()) transport_.end_writing();
}

void Stream::cut() {
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

std::span<char> scratch_buffer() {
  constexpr std::size_t kBytes = 64 << 10;
  thread_local const auto buffer = std::make_unique<std::array<char, kBytes>>();
  return *buffer;
}

std::string peer_address(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  if (address.ss_family == AF_INET)
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  return text;
}

}  // namespace belay::io
