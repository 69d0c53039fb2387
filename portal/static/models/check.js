// While a bundle waits for its golden pictures the page looks again by itself.
setTimeout(() => location.reload(), 2000);
