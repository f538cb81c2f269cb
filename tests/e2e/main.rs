//! End-to-end tests, driving the real `ghostd`.
