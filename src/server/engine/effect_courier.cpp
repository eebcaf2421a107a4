#include "server/engine/effect_courier.hpp"

#include "base/log.hpp"

namespace belay::server {
using store::Sql;
namespace executions = store::executions;

EffectCourier::EffectCourier(store::Store& store, const Clock& clock, CourierSettings settings)
    : store_(store), clock_(clock), settings_(std::move(settings)) {}

EffectCourier::~EffectCourier() { stop(); }

void EffectCourier::add(std::string effect, Carry carry) { carries_.emplace(std::move(effect), std::move(carry)); }

Result<bool> EffectCourier::run_once() {
  BELAY_TRY_ASSIGN(const auto due, store_.write([&](Sql& sql) {
    return executions::claim_effects(sql, settings_.owner, clock_.now(), settings_.lease, 1);
  }));
  if (due.empty()) return false;
  const auto& effect = due.front();
  const auto carry = carries_.find(effect.effect);
  if (carry == carries_.end())  // a newer server's: left to it
    return Error(Code::unsupported, "this server does not know effects of the kind '" + effect.effect + "'");
  BELAY_TRY(finish(effect, carry->second(effect, clock_.now())));
  if (on_progress) on_progress();
  return true;
}

Status EffectCourier::finish(const executions::Effect& effect, const executions::Event& event) {
  return store_.write([&](Sql& sql) -> Status {
    BELAY_TRY(executions::effect_done(sql, effect.sequence));
    const Status posted = executions::post(sql, effect.kind, effect.execution_id, event);
    return !posted.ok() && posted.error().code() == Code::not_found ? Status() : posted;
  });
}

void EffectCourier::start() {
  BELAY_ASSERT(threads_.empty());
  for (std::size_t i = 0; i < settings_.threads; ++i) threads_.emplace_back([this] { loop(); });
}

void EffectCourier::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void EffectCourier::poke() {
  {
    const std::scoped_lock lock(mutex_);
    ++pokes_;
  }
  changed_.notify_one();
}

void EffectCourier::loop() {
  for (;;) {
    std::size_t seen = 0;
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return;
      seen = pokes_;
    }
    const auto carried = run_once();
    std::unique_lock lock(mutex_);
    trouble_.note(carried.ok() ? Status() : Status(carried.error()), clock_.monotonic());
    if (carried.ok() && *carried) continue;
    changed_.wait_for(lock, settings_.poll, [&] { return stopping_ || pokes_ != seen; });
  }
}

}  // namespace belay::server
