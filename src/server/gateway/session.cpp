#include "server/gateway/session.hpp"

#include "wire/codec.hpp"

namespace belay::server {
namespace {
constexpr std::size_t kSentRemembered = 2'000;
}

bool SentLog::may_send(const std::string& id, Duration now, Duration again_after) {
  const std::scoped_lock lock(mutex_);
  if (sent_.size() > kSentRemembered)
    std::erase_if(sent_, [&](const auto& sent) { return now - sent.second >= again_after; });
  const auto [at, first] = sent_.try_emplace(id, now);
  if (first) return true;
  if (now - at->second < again_after) return false;
  at->second = now;
  return true;
}

void SentLog::not_sent(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  sent_.erase(id);
}

void SentLog::forget() {
  const std::scoped_lock lock(mutex_);
  sent_.clear();
}

bool SentLog::empty() {
  const std::scoped_lock lock(mutex_);
  return sent_.empty();
}

bool Session::send(const wire::Envelope& message) {
  if (socket) return !closed && socket->send(wire::to_text(message));
  const std::scoped_lock lock(mutex_);
  if (closed) return false;
  replies_.push_back(message);
  return true;
}

void Session::close(std::string_view reason) {
  if (closed.exchange(true)) return;
  if (socket) socket->close(reason);
}

std::vector<wire::Envelope> Session::take_replies() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(replies_, {});
}

Session::Last Session::end_poll() {
  const std::scoped_lock lock(mutex_);
  return {std::exchange(replies_, {}), closed.exchange(true)};
}

}  // namespace belay::server
